// How a key of the authority signs: digest, AlgorithmIdentifier, and signatures of a length that is
// known beforehand.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "authority/openssl.hpp"

namespace authority {

struct SignatureScheme {
  const EVP_MD* digest;
  std::span<const std::uint8_t> algorithm_identifier;  // DER
  std::size_t signature_bytes;                         // of every signature sign_digest makes
};

// RSA: PKCS#1 v1.5 with SHA-256. P-256: ECDSA with SHA-256. P-384: ECDSA with SHA-384. Throws
// Failure on other keys.
[[nodiscard]] SignatureScheme scheme_of(EVP_PKEY* key);

// Signs a finished digest. An ECDSA signature is a SEQUENCE whose length varies by a few octets
// with its random nonce; it is made again (four times on average) until it has the full length, so
// that the lengths of an enclosing structure can be written before the signature is known.
[[nodiscard]] std::vector<std::uint8_t> sign_digest(EVP_PKEY* key, const SignatureScheme& scheme,
                                                    std::span<const std::uint8_t> digest);

}  // namespace authority
