// Certificates of the stand-in: the authority itself, its OCSP responder, and the people's
// certificates.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

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

// Self-signed, under C=JP, O=Tashika Test, OU=JPKI for digital signature, OU=`name`. Two
// authorities with one name and different keys are what a re-keyed JPKI looks like.
[[nodiscard]] Identity make_authority(KeyPointer key, const std::string& name, std::uint64_t serial,
                                      Validity validity);

// A delegated OCSP responder (RFC 6960 4.2.2.2) with id-pkix-ocsp-nocheck.
[[nodiscard]] Identity make_responder(const Identity& issuer, KeyPointer key, std::uint64_t serial,
                                      Validity validity);

// A person's signing certificate, without the four items. `ocsp_url` goes into authorityInfoAccess
// unless empty.
[[nodiscard]] Identity make_end_entity(const Identity& issuer, KeyPointer key, std::uint64_t serial,
                                       Validity validity, const std::string& ocsp_url);

[[nodiscard]] CertificatePointer load_certificate(const std::filesystem::path& path);
void write_certificate(const std::filesystem::path& path, X509* certificate);

// Uppercase hexadecimal in whole octets, as OpenSSL prints serial numbers: "1000", "0A".
[[nodiscard]] std::string hexadecimal(std::uint64_t number);

}  // namespace authority
