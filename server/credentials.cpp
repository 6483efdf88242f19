#include "server/credentials.hpp"

#include <fmt/format.h>

#include "server/files.hpp"

namespace server {

std::shared_ptr<const LoadedCertificate> load_certificate(const std::filesystem::path& path) {
  const std::string content = read_file(path);
  auto loaded = std::make_shared<LoadedCertificate>();
  if (auto decoded = pki::decode_pem(content, "CERTIFICATE")) {
    loaded->der = *std::move(decoded);
  } else {
    loaded->der = pki::to_vector(pki::as_bytes(content));
  }
  auto certificate = pki::parse_certificate(loaded->der);
  if (!certificate) {
    throw CredentialError(fmt::format("{}: not a certificate in PEM or DER: {}", path.string(),
                                      pki::to_string(certificate.error())));
  }
  loaded->certificate = *certificate;
  return loaded;
}

pki::Signer load_signer(const std::filesystem::path& path) {
  auto signer = pki::Signer::from_pem(read_file(path));
  if (!signer) {
    throw CredentialError(
        fmt::format("{}: not an unencrypted private key in PEM (RSA 2048 to 8192 bits, EC P-256, "
                    "P-384 or P-521, Ed25519)",
                    path.string()));
  }
  return *std::move(signer);
}

}  // namespace server
