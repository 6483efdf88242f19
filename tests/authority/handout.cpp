#include "authority/handout.hpp"

#include <string>
#include <system_error>

#include "authority/failure.hpp"
#include "authority/keys.hpp"

namespace authority {
namespace {

Validity validity_of(X509* certificate) {
  const auto instant = [](const ASN1_TIME* time) {
    std::tm parts{};
    require(ASN1_TIME_to_tm(time, &parts) == 1, "reading the dates of a certificate");
    return Instant{::timegm(&parts)};
  };
  return {instant(X509_get0_notBefore(certificate)), instant(X509_get0_notAfter(certificate))};
}

// A responder's certificate is valid as long as its authority's.
Identity make_responder_of(const AuthorityDescription& authority, std::uint64_t seed) {
  const std::string role = std::string(authority.name).append(" responder");
  return make_responder(authority.identity, make_key(Algorithm::p256, seed, role),
                        own_serial(seed, role), validity_of(authority.identity.certificate.get()));
}

}  // namespace

TlsIdentities make_tls_identities(std::uint64_t seed) {
  const Validity validity{start_of_year(2020), start_of_year(2049)};
  const auto key = [seed](const char* role) { return make_key(Algorithm::p256, seed, role); };
  TlsIdentities made;
  made.authority = make_tls_authority(key("tls ca"), own_serial(seed, "tls ca"), validity);
  made.server = make_tls_certificate(made.authority, key("tls server"), TlsRole::server,
                                     "localhost", own_serial(seed, "tls server"), validity);
  made.operator_client =
      make_tls_certificate(made.authority, key("operator"), TlsRole::client, "Platform operator 1",
                           own_serial(seed, "operator"), validity);
  return made;
}

void write_handout(const std::filesystem::path& directory, std::uint64_t seed,
                   const std::vector<AuthorityDescription>& authorities, const TlsIdentities& tls) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) {
    throw Failure(std::string("the directory ").append(directory.string()) +
                  " cannot be made: " + error.message() + "; choose another --directory");
  }
  for (const AuthorityDescription& authority : authorities) {
    write_certificate(directory / (authority.name + ".pem"), authority.identity.certificate.get());
    write_identity(directory, authority.name + "-responder", make_responder_of(authority, seed));
  }
  write_certificate(directory / "tls-ca.pem", tls.authority.certificate.get());
  write_identity(directory, "tls-server", tls.server);
  write_identity(directory, "operator", tls.operator_client);
}

}  // namespace authority
