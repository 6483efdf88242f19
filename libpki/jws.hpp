// jws.hpp: compact JWS (RFC 7515) in the one form that we use: ES256, and a header of exactly alg,
// typ and kid. It must not know what is inside; see consent_token.hpp.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "libpki/crypto.hpp"

namespace pki {

inline constexpr std::size_t kJwsBytesMax = 4096;

// The three parts, decoded. Nothing of it is believed yet.
struct CompactJws {
  std::string_view signed_part;  // "header.payload" as in the text; lives as long as it
  std::string header;            // JSON, or so it should be
  std::string payload;
  std::vector<std::uint8_t> signature;
};

// Takes a token apart: at most kJwsBytesMax characters, exactly three parts, strict base64url.
// Errors: token_too_long, token_parts, bad_base64 (offset in the text).
[[nodiscard]] Result<CompactJws> split_jws(std::string_view text);

struct JwsHeader {
  std::string algorithm;  // alg
  std::string type;       // typ
  std::string key_id;     // kid
};

// Reads a header that has exactly the members alg, typ and kid, so that jwk, jku, x5c, crit and
// what else was ever misused has no place. Errors: those of read_json_object, token_header.
[[nodiscard]] Result<JwsHeader> read_jws_header(std::string_view json);

// Verifies an ES256 signature (RFC 7518 3.4): r and s, 32 octets each, from 1 to n - 1. (r, n - s)
// verifies, too, as everywhere: a token's identity is its jti, never its bytes.
// Errors: token_algorithm if the key is not on P-256; signature_form, bad_signature.
// Cost: one P-256 verification; contexts of the last keys are kept per thread.
[[nodiscard]] Result<void> verify_es256(const PublicKey& key, std::string_view signed_part,
                                        Bytes signature);

// Makes a token of that type over a payload. Errors: token_algorithm if the key is not on P-256, or
// if the library does not sign; token_too_long; those of read_jws_header for an empty or unreadable
// type or key id.
[[nodiscard]] Result<std::string> sign_jws(std::string_view type, std::string_view key_id,
                                           std::string_view payload, Signer& signer);

// The JWK of a P-256 key for a JWK set (RFC 7517, RFC 7518 6.2.1):
// {"kty":"EC","crv":"P-256","x":…,"y":…,"use":"sig","alg":"ES256","kid":…}.
// Error: token_algorithm if the key is not on P-256.
[[nodiscard]] Result<std::string> public_jwk(const PublicKey& key, std::string_view key_id);

}  // namespace pki
