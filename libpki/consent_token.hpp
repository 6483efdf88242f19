// consent_token.hpp: the token that an institution shows with every question: who may ask, about
// whom, for what, and with which certificate. A compact JWS of type consent+jwt. It holds no
// personal data, and it must not know the database, which has the last word.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "libpki/asn1_time.hpp"
#include "libpki/jws.hpp"

namespace pki {

inline constexpr std::string_view kConsentTokenType = "consent+jwt";

// SHA-256 of a certificate's DER (RFC 8705 3.1).
using CertificateThumbprint = std::array<std::uint8_t, 32>;
[[nodiscard]] CertificateThumbprint thumbprint_of(Bytes certificate_der);

// The claims, in the order in which they are written.
struct ConsentTokenClaims {
  std::string issuer;     // iss
  std::string audience;   // aud
  std::string subject;    // sub: pairwise
  std::string client_id;  // the institution
  std::string token_id;   // jti
  Time issued_at{};       // iat
  Time not_before{};      // nbf
  Time expires_at{};      // exp: the first second in which the token is no longer good
  std::string consent_id;
  std::uint32_t consent_version = 0;               // from 1
  std::string scope;                               // names with one space between them
  CertificateThumbprint certificate_thumbprint{};  // cnf x5t#S256

  friend bool operator==(const ConsentTokenClaims&, const ConsentTokenClaims&) = default;
};

// Writes and signs a token. What it gives, verify_consent_token reads back to equal claims.
// Errors: token_algorithm (the key), token_too_long, and for claims that could not be read back
// those of read_json_object and token_claims: strings that are empty, hold NUL or are not UTF-8,
// version 0, times before 1970 or after 9999.
// Cost: one P-256 signature, and two thirds of that for writing and reading back.
[[nodiscard]] Result<std::string> encode_consent_token(const ConsentTokenClaims& claims,
                                                       std::string_view key_id, Signer& signer);

// Our key of that id, or nullptr: unknown, or retired. The key must live until the call returns.
using FindKey = std::function<const PublicKey*(std::string_view key_id)>;

// What a token must say to be good here and now.
struct ConsentTokenExpectation {
  std::string_view issuer;
  std::string_view audience;
  std::string_view client_id;                    // of this TLS connection
  CertificateThumbprint certificate_thumbprint;  // of this TLS connection
  Time now;
  std::chrono::seconds skew{10};  // how far ahead iat and nbf may lie; exp is never stretched
};

// Checks all that can be checked without the database, in the order below, and stops at the first
// that fails. The codes are for the log; outside, all of them are one error:
//   token_too_long, token_parts, bad_base64 → bad_json and its like, token_header →
//   token_algorithm, token_unknown_key → signature_form, bad_signature → bad_json and its like,
//   token_claims, token_issuer, token_audience, token_type → not_yet_valid, expired → token_client
//   → token_certificate.
// No key is looked up for another algorithm than ES256. Any thread.
// Cost: one P-256 verification, and a fifth of that for all else.
[[nodiscard]] Result<ConsentTokenClaims> verify_consent_token(
    std::string_view text, const FindKey& find_key, const ConsentTokenExpectation& expectation);

// What a token says, its signature NOT checked: for people who look into one.
struct UnverifiedConsentToken {
  JwsHeader header;
  ConsentTokenClaims claims;
};
[[nodiscard]] Result<UnverifiedConsentToken> read_consent_token_unverified(std::string_view text);

}  // namespace pki
