// Certificates of the stand-in: the authority itself, its OCSP responder, and the people's
// certificates.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "authority/instant.hpp"
#include "authority/openssl.hpp"

namespace authority {

struct Validity {
  Instant not_before = 0;
  Instant not_after = 0;
};

// A certificate with the key it was made for.
struct Identity {
  CertificatePointer certificate;
  KeyPointer key;
};

// Self-signed, under C=JP, O=Tashika Test, and one OU for each of `units`. Two authorities with one
// name and different keys are what a re-keyed JPKI looks like.
[[nodiscard]] Identity make_authority(KeyPointer key, const std::vector<std::string>& units,
                                      std::uint64_t serial, Validity validity);

// A delegated OCSP responder (RFC 6960 4.2.2.2) with id-pkix-ocsp-nocheck.
[[nodiscard]] Identity make_responder(const Identity& issuer, KeyPointer key, std::uint64_t serial,
                                      Validity validity);

// A person's signing certificate, without the four items. `ocsp_url` goes into authorityInfoAccess
// unless empty.
[[nodiscard]] Identity make_end_entity(const Identity& issuer, KeyPointer key, std::uint64_t serial,
                                       Validity validity, const std::string& ocsp_url);

// An authority of TLS, and a certificate of a server or client of TLS. The server's is good for
// 127.0.0.1, ::1 and localhost.
enum class TlsRole { server, client };
[[nodiscard]] Identity make_tls_authority(KeyPointer key, std::uint64_t serial, Validity validity);
[[nodiscard]] Identity make_tls_certificate(const Identity& issuer, KeyPointer key, TlsRole role,
                                            const std::string& common_name, std::uint64_t serial,
                                            Validity validity);

// A serial number of eight octets from the seed, so that two certificates of one name and seed
// differ.
[[nodiscard]] std::uint64_t own_serial(std::uint64_t seed, std::string_view role);

[[nodiscard]] CertificatePointer load_certificate(const std::filesystem::path& path);
void write_certificate(const std::filesystem::path& path, X509* certificate);

// `name`.pem and `name`.key in the directory.
void write_identity(const std::filesystem::path& directory, const std::string& name,
                    const Identity& identity);

// Uppercase hexadecimal in whole octets, as OpenSSL prints serial numbers: "1000", "0A".
[[nodiscard]] std::string hexadecimal(std::uint64_t number);

}  // namespace authority
