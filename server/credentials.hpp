// credentials.hpp: certificates and keys from files, PEM or DER, with errors that name the file.
#pragma once

#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "libpki/crypto.hpp"
#include "libpki/x509.hpp"

namespace server {

// A file holds something else than it should; the text names file, fault and cure.
class CredentialError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A certificate and the bytes that it is a view of. Shared, so that views stay good.
struct LoadedCertificate {
  std::vector<std::uint8_t> der;
  pki::Certificate certificate;
};

// Throws CredentialError, or std::system_error if the file can't be read.
[[nodiscard]] std::shared_ptr<const LoadedCertificate> load_certificate(
    const std::filesystem::path& path);
[[nodiscard]] pki::Signer load_signer(const std::filesystem::path& path);

}  // namespace server
