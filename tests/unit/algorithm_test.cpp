#include "libpki/algorithm.hpp"

#include <catch2/catch.hpp>

#include "libpki/crl.hpp"
#include "tests/support/fixtures.hpp"
#include "tests/support/result.hpp"

using namespace test;
using pki::DigestAlgorithm;
using pki::SignatureScheme;

namespace {

constexpr auto kSha256 = "2.16.840.1.101.3.4.2.1";
constexpr auto kSha1 = "1.3.14.3.2.26";
constexpr auto kMgf1 = "1.2.840.113549.1.1.8";
constexpr auto kPss = "1.2.840.113549.1.1.10";

pki::Result<pki::SignatureAlgorithm> read(const Octets& der) {
  pki::der::Reader reader(der);
  return pki::read_signature_algorithm(reader, "a");
}

Octets pss(std::initializer_list<Octets> parameters) {
  return sequence({oid(kPss), sequence(parameters)});
}
Octets hash(const Octets& digest) {
  return tlv(0xA0, {digest});
}
Octets mask(const Octets& digest) {
  return tlv(0xA1, {sequence({oid(kMgf1), digest})});
}

}  // namespace

TEST_CASE("algorithm: signature algorithms with their parameters", "[algorithm]") {
  const auto [dotted, scheme, digest, text] =
      GENERATE(table<std::string, SignatureScheme, DigestAlgorithm, std::string>({
          {"1.2.840.113549.1.1.11", SignatureScheme::rsa_pkcs1, DigestAlgorithm::sha256,
           "RSA PKCS#1 v1.5 with SHA-256"},
          {"1.2.840.113549.1.1.12", SignatureScheme::rsa_pkcs1, DigestAlgorithm::sha384,
           "RSA PKCS#1 v1.5 with SHA-384"},
          {"1.2.840.113549.1.1.13", SignatureScheme::rsa_pkcs1, DigestAlgorithm::sha512,
           "RSA PKCS#1 v1.5 with SHA-512"},
          {"1.2.840.10045.4.3.2", SignatureScheme::ecdsa, DigestAlgorithm::sha256,
           "ECDSA with SHA-256"},
          {"1.2.840.10045.4.3.3", SignatureScheme::ecdsa, DigestAlgorithm::sha384,
           "ECDSA with SHA-384"},
          {"1.2.840.10045.4.3.4", SignatureScheme::ecdsa, DigestAlgorithm::sha512,
           "ECDSA with SHA-512"},
          {"1.3.101.112", SignatureScheme::ed25519, DigestAlgorithm::sha512, "Ed25519"},
      }));
  CAPTURE(text);
  const bool is_rsa = scheme == SignatureScheme::rsa_pkcs1;
  const auto bare = read(algorithm(dotted));
  REQUIRE(bare);
  CHECK(bare->scheme == scheme);
  CHECK(bare->digest == digest);
  CHECK(pki::to_string(*bare) == text);
  // RFC 4055 5 wants NULL for RSA and takes its absence; RFC 5758 3.2 and 8410 3 forbid it.
  CHECK(refusal(read(algorithm_with_null(dotted))) ==
        (is_rsa ? "accepted" : "bad_algorithm_parameters@0 a"));
  CHECK(refusal(read(sequence({oid(dotted), integer(1)}))) == "bad_algorithm_parameters@0 a");
  CHECK(code(read(sequence({oid(dotted), null(), null()}))) == "trailing_data");
  CHECK(code(read(sequence({oid(dotted), hex("05 01 00")}))) == "bad_null");

  pki::der::Writer writer;
  pki::write_signature_algorithm(writer, *bare);
  CHECK(writer.take() == (is_rsa ? algorithm_with_null(dotted) : algorithm(dotted)));
}

TEST_CASE("algorithm: SHA-1 and MD5 signatures are weak, others unknown", "[algorithm]") {
  CHECK(refusal(read(algorithm_with_null("1.2.840.113549.1.1.5"))) == "weak_algorithm@0 a");
  CHECK(refusal(read(algorithm_with_null("1.2.840.113549.1.1.4"))) == "weak_algorithm@0 a");
  CHECK(refusal(read(algorithm("1.2.840.10045.4.1"))) == "weak_algorithm@0 a");
  CHECK(refusal(read(algorithm("1.2.840.10045.4.3.1"))) == "unsupported_algorithm@0 a");  // SHA-224
  CHECK(refusal(read(algorithm("1.3.101.113"))) == "unsupported_algorithm@0 a");          // Ed448
  CHECK(refusal(read(sequence({}))) == "truncated@2 a");
  CHECK(refusal(read(sequence({hex("06 00")}))) == "bad_oid@2 a");
}

// RFC 4055 3.1. All defaults of RSASSA-PSS-params mean SHA-1.
TEST_CASE("algorithm: PSS names one digest twice, and its salt", "[algorithm]") {
  const Octets sha256 = algorithm_with_null(kSha256);
  const Octets sha384 = algorithm("2.16.840.1.101.3.4.2.2");
  const Octets sha1 = algorithm_with_null(kSha1);
  const Octets salt32 = tlv(0xA2, {integer(32)});

  const auto good = read(pss({hash(sha256), mask(sha256), salt32}));
  REQUIRE(good);
  CHECK(*good == pki::SignatureAlgorithm{SignatureScheme::rsa_pss, DigestAlgorithm::sha256, 32});
  CHECK(pki::to_string(*good) == "RSA PSS with SHA-256");
  const auto default_salt = read(pss({hash(sha384), mask(sha384)}));
  REQUIRE(default_salt);
  CHECK(default_salt->salt_bytes == 20);
  CHECK(default_salt->digest == DigestAlgorithm::sha384);

  CHECK(code(read(algorithm(kPss))) == "bad_algorithm_parameters");
  CHECK(code(read(algorithm_with_null(kPss))) == "bad_algorithm_parameters");
  CHECK(code(read(pss({}))) == "weak_algorithm");
  CHECK(code(read(pss({hash(sha256)}))) == "weak_algorithm");  // MGF1 with SHA-1 by default
  CHECK(code(read(pss({hash(sha1), mask(sha1)}))) == "weak_algorithm");
  CHECK(code(read(pss({hash(sha256), mask(sha384)}))) == "bad_algorithm_parameters");
  CHECK(code(read(pss({hash(sha256), tlv(0xA1, {sequence({oid("1.2.3"), sha256})})}))) ==
        "bad_algorithm_parameters");
  CHECK(code(read(pss({hash(algorithm("1.2.3")), mask(algorithm("1.2.3"))}))) ==
        "bad_algorithm_parameters");
  CHECK(code(read(pss({hash(sha256), mask(sha256), tlv(0xA2, {integer(513)})}))) ==
        "integer_out_of_range");
  CHECK(code(read(pss({hash(sha256), mask(sha256), salt32, tlv(0xA3, {integer(1)})}))) ==
        "bad_algorithm_parameters");
  CHECK(code(read(pss({hash(sha256), mask(sha256), salt32, null()}))) == "trailing_data");
  CHECK(code(read(sequence({oid(kPss), sequence({hash(sha256), mask(sha256)}), null()}))) ==
        "trailing_data");
}

TEST_CASE("algorithm: digests with absent or NULL parameters, and unknown ones are no fault",
          "[algorithm]") {
  const auto read_digest = [](const Octets& der) {
    pki::der::Reader reader(der);
    return pki::read_digest_algorithm(reader, "d");
  };
  const auto [dotted, digest, bytes, text] =
      GENERATE(table<std::string, DigestAlgorithm, std::size_t, std::string>({
          {kSha1, DigestAlgorithm::sha1, 20, "SHA-1"},
          {kSha256, DigestAlgorithm::sha256, 32, "SHA-256"},
          {"2.16.840.1.101.3.4.2.2", DigestAlgorithm::sha384, 48, "SHA-384"},
          {"2.16.840.1.101.3.4.2.3", DigestAlgorithm::sha512, 64, "SHA-512"},
      }));
  CHECK(pki::digest_bytes(digest) == bytes);
  CHECK(pki::to_string(digest) == text);
  for (const Octets& der : {algorithm(dotted), algorithm_with_null(dotted)}) {
    const auto result = read_digest(der);
    REQUIRE(result);
    CHECK(*result == digest);
  }
  const auto odd = read_digest(sequence({oid(dotted), integer(1)}));
  REQUIRE(odd);
  CHECK_FALSE(odd->has_value());
  const auto md5 = read_digest(algorithm_with_null("1.2.840.113549.2.5"));
  REQUIRE(md5);
  CHECK_FALSE(md5->has_value());
  CHECK(code(read_digest(sequence({oid(dotted), null(), null()}))) == "trailing_data");
}

TEST_CASE("algorithm: what OpenSSL writes into a PSS list is read", "[algorithm]") {
  const auto [file, digest, salt] = GENERATE(table<std::string, DigestAlgorithm, unsigned>({
      {"crl_rsa_pss_sha256.der", DigestAlgorithm::sha256, 32},
      {"crl_pss_sha256.der", DigestAlgorithm::sha256, 32},
      {"crl_pss_sha384.der", DigestAlgorithm::sha384, 48},
      {"crl_pss_sha512.der", DigestAlgorithm::sha512, 64},
      {"crl_pss_salt20.der", DigestAlgorithm::sha256, 20},
  }));
  CAPTURE(file);
  const Octets der = data_file(file);
  const auto crl = pki::parse_crl(der);
  REQUIRE(crl);
  CHECK(crl->algorithm == pki::SignatureAlgorithm{SignatureScheme::rsa_pss, digest, salt});
}
