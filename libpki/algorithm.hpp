// algorithm.hpp: AlgorithmIdentifiers of digests and signatures. Pure DER; the work is in
// crypto.hpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "libpki/der.hpp"
#include "libpki/der_writer.hpp"

namespace pki {

enum class DigestAlgorithm : std::uint8_t { sha1, sha256, sha384, sha512 };

// 20, 32, 48 or 64 octets.
[[nodiscard]] std::size_t digest_bytes(DigestAlgorithm algorithm);

enum class SignatureScheme : std::uint8_t { rsa_pkcs1, rsa_pss, ecdsa, ed25519 };

// The AlgorithmIdentifier of a signature occurs inside what is signed and outside; both must be the
// same octets (RFC 5280 4.1.1.2, 5.1.1.2). Reads the outer one and compares.
// Errors: those of Reader::read, algorithm_mismatch.
[[nodiscard]] Result<void> read_same_algorithm(der::Reader& reader, Bytes inner, const char* field);

// How something is signed. SHA-1 never occurs here: it is refused when read.
struct SignatureAlgorithm {
  SignatureScheme scheme;
  DigestAlgorithm digest = DigestAlgorithm::sha256;  // sha512 for Ed25519, which hashes by itself
  std::uint32_t salt_bytes = 0;                      // of PSS

  friend bool operator==(const SignatureAlgorithm&, const SignatureAlgorithm&) = default;
};

// "RSA PKCS#1 v1.5 with SHA-256", for people.
[[nodiscard]] std::string to_string(const SignatureAlgorithm& algorithm);
[[nodiscard]] std::string to_string(DigestAlgorithm algorithm);

// Reads the AlgorithmIdentifier of a digest, with absent or NULL parameters; nothing if the digest
// is one we do not know (which is no fault of the encoding). Errors: those of Reader::read,
// bad_oid, trailing_data.
//
//   AlgorithmIdentifier ::= SEQUENCE { algorithm OBJECT IDENTIFIER, parameters ANY OPTIONAL }
[[nodiscard]] Result<std::optional<DigestAlgorithm>> read_digest_algorithm(der::Reader& reader,
                                                                           const char* field);

// Reads the AlgorithmIdentifier of a signature.
//
// RSA PKCS#1 v1.5 (RFC 4055: parameters NULL, absence accepted), RSASSA-PSS (same digest in MGF1,
// trailer 1), ECDSA and Ed25519 (no parameters). Errors: those of Reader::read, weak_algorithm,
// unsupported_algorithm, bad_algorithm_parameters.
[[nodiscard]] Result<SignatureAlgorithm> read_signature_algorithm(der::Reader& reader,
                                                                  const char* field);

// Writes the AlgorithmIdentifier. PSS is never written, since we do not sign with it.
void write_signature_algorithm(der::Writer& writer, const SignatureAlgorithm& algorithm);

}  // namespace pki
