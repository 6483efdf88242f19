#include "libpki/algorithm.hpp"

#include <array>
#include <cstdlib>

#include "libpki/oid.hpp"

namespace pki {
namespace {

using der::Element;
using der::Reader;
using der::Tag;

struct SignatureRow {
  Bytes oid;
  SignatureScheme scheme;
  DigestAlgorithm digest;
};

constexpr std::array kSignatures = {
    SignatureRow{oid::sha256_with_rsa, SignatureScheme::rsa_pkcs1, DigestAlgorithm::sha256},
    SignatureRow{oid::sha384_with_rsa, SignatureScheme::rsa_pkcs1, DigestAlgorithm::sha384},
    SignatureRow{oid::sha512_with_rsa, SignatureScheme::rsa_pkcs1, DigestAlgorithm::sha512},
    SignatureRow{oid::ecdsa_with_sha256, SignatureScheme::ecdsa, DigestAlgorithm::sha256},
    SignatureRow{oid::ecdsa_with_sha384, SignatureScheme::ecdsa, DigestAlgorithm::sha384},
    SignatureRow{oid::ecdsa_with_sha512, SignatureScheme::ecdsa, DigestAlgorithm::sha512},
    SignatureRow{oid::ed25519, SignatureScheme::ed25519, DigestAlgorithm::sha512},
};

bool is_weak(Bytes id) {
  return equal(id, oid::sha1_with_rsa) || equal(id, oid::md5_with_rsa) ||
         equal(id, oid::ecdsa_with_sha1);
}

// The parameters of an algorithm that takes none: absent, or NULL.
enum class Parameters { absent, null, other };

Result<Parameters> read_parameters(Reader& algorithm, const char* field) {
  if (algorithm.empty()) return Parameters::absent;
  PKI_TRY_ASSIGN(const Element parameters, algorithm.any(field));
  PKI_TRY(algorithm.finish(field));
  if (parameters.tag != Tag::null) return Parameters::other;
  PKI_TRY(der::null(algorithm, parameters, field));
  return Parameters::null;
}

// RSASSA-PSS-params ::= SEQUENCE {
//   hashAlgorithm    [0] HashAlgorithm    DEFAULT sha1,
//   maskGenAlgorithm [1] MaskGenAlgorithm DEFAULT mgf1SHA1,
//   saltLength       [2] INTEGER          DEFAULT 20,
//   trailerField     [3] INTEGER          DEFAULT 1 }           (RFC 4055 3.1)
// The defaults mean SHA-1, so the first two fields must be there.
Result<SignatureAlgorithm> read_pss_parameters(Reader& algorithm, const char* field) {
  const Error bad = algorithm.error(Errc::bad_algorithm_parameters, field);
  if (!algorithm.next_is(Tag::sequence)) return bad;
  PKI_TRY_ASSIGN(Reader params, algorithm.enter(Tag::sequence, field));
  PKI_TRY(algorithm.finish(field));
  if (!params.next_is(der::context_constructed(0))) {
    return Error{Errc::weak_algorithm, params.offset(), field};
  }
  PKI_TRY_ASSIGN(Reader hash_field, params.enter(der::context_constructed(0), field));
  PKI_TRY_ASSIGN(const auto hash, read_digest_algorithm(hash_field, field));
  PKI_TRY(hash_field.finish(field));
  if (!params.next_is(der::context_constructed(1))) {
    return Error{Errc::weak_algorithm, params.offset(), field};
  }
  PKI_TRY_ASSIGN(Reader mask_field, params.enter(der::context_constructed(1), field));
  PKI_TRY_ASSIGN(Reader mask, mask_field.enter(Tag::sequence, field));
  PKI_TRY(mask_field.finish(field));
  PKI_TRY_ASSIGN(const Element mask_id, mask.read(Tag::oid, field));
  PKI_TRY_ASSIGN(const auto mask_hash, read_digest_algorithm(mask, field));
  PKI_TRY(mask.finish(field));
  if (!equal(mask_id.content, oid::mgf1) || !hash || hash != mask_hash) return bad;
  if (*hash == DigestAlgorithm::sha1) return Error{Errc::weak_algorithm, bad.offset, field};

  SignatureAlgorithm result{SignatureScheme::rsa_pss, *hash, 20};
  PKI_TRY_ASSIGN(const auto salt, params.read_optional(der::context_constructed(2), field));
  if (salt) {
    Reader inside(params, *salt);
    PKI_TRY_ASSIGN(const Element number, inside.read(Tag::integer, field));
    PKI_TRY_ASSIGN(result.salt_bytes, der::small_integer(inside, number, 512, field));
    PKI_TRY(inside.finish(field));
  }
  PKI_TRY_ASSIGN(const auto trailer, params.read_optional(der::context_constructed(3), field));
  if (trailer) return bad;  // 1 is the only trailer there is, and DER omits the default
  PKI_TRY(params.finish(field));
  return result;
}

}  // namespace

std::size_t digest_bytes(DigestAlgorithm algorithm) {
  switch (algorithm) {
    case DigestAlgorithm::sha1: return 20;
    case DigestAlgorithm::sha256: return 32;
    case DigestAlgorithm::sha384: return 48;
    case DigestAlgorithm::sha512: return 64;
  }
  std::abort();
}

std::string to_string(DigestAlgorithm algorithm) {
  switch (algorithm) {
    case DigestAlgorithm::sha1: return "SHA-1";
    case DigestAlgorithm::sha256: return "SHA-256";
    case DigestAlgorithm::sha384: return "SHA-384";
    case DigestAlgorithm::sha512: return "SHA-512";
  }
  std::abort();
}

std::string to_string(const SignatureAlgorithm& algorithm) {
  switch (algorithm.scheme) {
    case SignatureScheme::rsa_pkcs1: return "RSA PKCS#1 v1.5 with " + to_string(algorithm.digest);
    case SignatureScheme::rsa_pss: return "RSA PSS with " + to_string(algorithm.digest);
    case SignatureScheme::ecdsa: return "ECDSA with " + to_string(algorithm.digest);
    case SignatureScheme::ed25519: return "Ed25519";
  }
  std::abort();
}

Result<std::optional<DigestAlgorithm>> read_digest_algorithm(Reader& reader, const char* field) {
  PKI_TRY_ASSIGN(Reader algorithm, reader.enter(Tag::sequence, field));
  PKI_TRY_ASSIGN(const Element id_element, algorithm.read(Tag::oid, field));
  PKI_TRY_ASSIGN(const Bytes id, der::oid(algorithm, id_element, field));
  PKI_TRY_ASSIGN(const Parameters parameters, read_parameters(algorithm, field));
  if (parameters == Parameters::other) return std::optional<DigestAlgorithm>{};
  if (equal(id, oid::sha1)) return std::optional{DigestAlgorithm::sha1};
  if (equal(id, oid::sha256)) return std::optional{DigestAlgorithm::sha256};
  if (equal(id, oid::sha384)) return std::optional{DigestAlgorithm::sha384};
  if (equal(id, oid::sha512)) return std::optional{DigestAlgorithm::sha512};
  return std::optional<DigestAlgorithm>{};
}

Result<void> read_same_algorithm(Reader& reader, Bytes inner, const char* field) {
  PKI_TRY_ASSIGN(const Element outer, reader.read(Tag::sequence, field));
  if (!equal(outer.whole, inner)) return reader.error_at(outer, Errc::algorithm_mismatch, field);
  return {};
}

Result<SignatureAlgorithm> read_signature_algorithm(Reader& reader, const char* field) {
  const std::uint64_t at = reader.offset();
  PKI_TRY_ASSIGN(Reader algorithm, reader.enter(Tag::sequence, field));
  PKI_TRY_ASSIGN(const Element id_element, algorithm.read(Tag::oid, field));
  PKI_TRY_ASSIGN(const Bytes id, der::oid(algorithm, id_element, field));
  if (is_weak(id)) return Error{Errc::weak_algorithm, at, field};
  if (equal(id, oid::rsassa_pss)) return read_pss_parameters(algorithm, field);
  for (const SignatureRow& row : kSignatures) {
    if (!equal(id, row.oid)) continue;
    PKI_TRY_ASSIGN(const Parameters parameters, read_parameters(algorithm, field));
    const bool is_rsa = row.scheme == SignatureScheme::rsa_pkcs1;
    if (parameters == Parameters::other || (parameters == Parameters::null && !is_rsa)) {
      return Error{Errc::bad_algorithm_parameters, at, field};
    }
    return SignatureAlgorithm{row.scheme, row.digest};
  }
  return Error{Errc::unsupported_algorithm, at, field};
}

void write_signature_algorithm(der::Writer& writer, const SignatureAlgorithm& algorithm) {
  for (const SignatureRow& row : kSignatures) {
    if (row.scheme != algorithm.scheme || row.digest != algorithm.digest) continue;
    writer.sequence([&] {
      writer.oid(row.oid);
      if (algorithm.scheme == SignatureScheme::rsa_pkcs1) writer.null();
    });
    return;
  }
  std::abort();
}

}  // namespace pki
