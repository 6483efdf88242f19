#include "libpki/cms.hpp"

#include <catch2/catch.hpp>

#include "tests/support/fixtures.hpp"
#include "tests/support/openssl.hpp"
#include "tests/support/result.hpp"

using namespace test;
using pki::DigestAlgorithm;
using pki::SignatureScheme;
using pki::verify_detached_cms;

namespace {

Octets document() {
  return data_file("cms_document.json");
}

Octets signature_by(std::string_view key_file, const EVP_MD* md, const Octets& data) {
  const Key key = load_key(key_file);
  const Owned<EVP_MD_CTX, EVP_MD_CTX_free> context(EVP_MD_CTX_new());
  std::size_t size = 1024;
  Octets signature(size);
  REQUIRE(EVP_DigestSignInit(context.get(), nullptr, md, nullptr, key.get()) == 1);
  REQUIRE(EVP_DigestSign(context.get(), signature.data(), &size, data.data(), data.size()) == 1);
  signature.resize(size);
  return signature;
}

}  // namespace

TEST_CASE("cms: what openssl cms signs is verified, and the signer given", "[cms]") {
  const auto [file, signer, scheme, digest] =
      GENERATE(table<std::string, std::string, SignatureScheme, DigestAlgorithm>({
          {"cms_p256.der", "ca_p256.pem", SignatureScheme::ecdsa, DigestAlgorithm::sha256},
          {"cms_p256_sha512.der", "ca_p256.pem", SignatureScheme::ecdsa, DigestAlgorithm::sha512},
          {"cms_p384.der", "ca_p384.pem", SignatureScheme::ecdsa, DigestAlgorithm::sha384},
          {"cms_p521.der", "ca_p521.pem", SignatureScheme::ecdsa, DigestAlgorithm::sha512},
          {"cms_rsa.der", "ca_rsa.pem", SignatureScheme::rsa_pkcs1, DigestAlgorithm::sha256},
          {"cms_pss.der", "ca_rsa.pem", SignatureScheme::rsa_pss, DigestAlgorithm::sha256},
          {"cms_by_key_id.der", "ca_p256.pem", SignatureScheme::ecdsa, DigestAlgorithm::sha256},
          {"cms_with_issuer.der", "ca_p256.pem", SignatureScheme::ecdsa, DigestAlgorithm::sha256},
      }));
  CAPTURE(file);
  const auto verified = verify_detached_cms(data_file(file), document());
  const auto named = pki::cms_signer_certificate(data_file(file));
  REQUIRE(verified);
  REQUIRE(named);
  CHECK(*named == verified->certificate);
  REQUIRE(refusal(verified) == "accepted");
  CHECK(verified->certificate == data_pem(signer));
  CHECK(verified->algorithm.scheme == scheme);
  CHECK(verified->algorithm.digest == digest);

  Octets other = document();
  other[10] ^= 1;
  CHECK(code(verify_detached_cms(data_file(file), other)) == "document_mismatch");
  CHECK(code(verify_detached_cms(data_file(file), {})) == "document_mismatch");
}

TEST_CASE("cms: what is not one detached signature by one signer is refused", "[cms]") {
  const auto [file, expected] = GENERATE(table<std::string, std::string>({
      {"cms_attached.der", "cms_not_detached@0 encapContentInfo"},
      {"cms_receipt_type.der", "cms_not_detached@0 encapContentInfo"},
      {"cms_digested.der", "cms_syntax@0 contentType"},
      {"cms_no_attributes.der", "cms_attributes@0 signedAttrs"},
      {"cms_no_certificate.der", "cms_certificate@0 certificates"},
      {"cms_other_certificate.der", "cms_certificate@0 certificates"},
      {"cms_two_signers.der", "cms_signers@0 signerInfos"},
      {"cms_sha1.der", "weak_algorithm@0 digestAlgorithm"},
      {"cms_rsa1024.der", "unsupported_key@0 subjectPublicKeyInfo"},
      {"cms_document.json", "cms_syntax@0 ContentInfo"},
      {"ca_p256.pem", "cms_syntax@0 ContentInfo"},
  }));
  CAPTURE(file);
  CHECK(refusal(verify_detached_cms(data_file(file), document())) == expected);
}

TEST_CASE("cms: sizes have limits", "[cms]") {
  const Octets cms = data_file("cms_p256.der");
  CHECK(code(verify_detached_cms(Octets(64 * 1024 + 1), document())) == "too_large");
  CHECK(code(verify_detached_cms(cms, Octets(256 * 1024 + 1))) == "too_large");
  CHECK(code(verify_detached_cms(cms, Octets(256 * 1024))) == "document_mismatch");
  CHECK(code(verify_detached_cms({}, document())) == "cms_syntax");
  CHECK(code(verify_detached_cms(concat({cms, {0}}), document())) == "trailing_data");
}

TEST_CASE("cms: BER with an indefinite length is read, too", "[cms]") {
  const Octets der = data_file("cms_p256.der");
  REQUIRE(der[1] == 0x82);
  const Octets ber = concat({hex("30 80"), Octets(der.begin() + 4, der.end()), hex("00 00")});
  CHECK(code(verify_detached_cms(ber, document())) == "accepted");
}

// Unsigned parts (the outer digest list, the order of certificates) may differ; what was accepted
// must still name the same certificate.
TEST_CASE("cms: no octet of it can be changed into another signer or another document", "[cms]") {
  const Octets good = data_file("cms_p256.der");
  const Octets signer = data_pem("ca_p256.pem");
  std::size_t refused = 0;
  for (std::size_t i = 0; i < good.size(); ++i) {
    Octets bad = good;
    bad[i] ^= 0x01;
    const auto result = verify_detached_cms(bad, document());
    if (!result) {
      ++refused;
      continue;
    }
    // The signature of the certificate itself is for who builds the chain.
    const auto certificate = pki::parse_certificate(result->certificate);
    const auto original = pki::parse_certificate(signer);
    CAPTURE(i);
    CHECK(pki::equal(certificate->spki, original->spki));
  }
  CHECK(refused > good.size() / 4);
  Octets bad = good;
  bad.back() ^= 0x01;  // the last octet of s
  CHECK(code(verify_detached_cms(bad, document())) == "bad_signature");
}

TEST_CASE("cms: the bare signature of a card, by the key's own algorithm", "[cms]") {
  const auto [certificate_file, key, md, wrong_md] =
      GENERATE(table<std::string, std::string, const EVP_MD*, const EVP_MD*>({
          {"ca_rsa.pem", "ca_rsa.key", EVP_sha256(), EVP_sha384()},
          {"ca_p256.pem", "ca_p256.key", EVP_sha256(), EVP_sha384()},
          {"ca_p384.pem", "ca_p384.key", EVP_sha384(), EVP_sha256()},
      }));
  CAPTURE(certificate_file);
  const Octets der = data_pem(certificate_file);
  const auto certificate = pki::parse_certificate(der);
  REQUIRE(certificate);
  const auto verify = [&](const Octets& data, const Octets& signature) {
    return refusal(pki::verify_document_signature(*certificate, data, signature));
  };
  const Octets signature = signature_by(key, md, document());
  CHECK(verify(document(), signature) == "accepted");
  CHECK(verify(text("another"), signature) == "bad_signature@0 signature");
  CHECK(verify(document(), signature_by(key, wrong_md, document())) == "bad_signature@0 signature");
  CHECK(verify(document(), {}) == "bad_signature@0 signature");
  CHECK(verify(Octets(256 * 1024 + 1), signature) == "too_large@0 document");
}

TEST_CASE("cms: keys that no card has give no bare signature", "[cms]") {
  const std::string file = GENERATE(values<std::string>({"ca_p521.pem", "ca_ed25519.pem"}));
  const Octets der = data_pem(file);
  const auto certificate = pki::parse_certificate(der);
  REQUIRE(certificate);
  CHECK(refusal(pki::verify_document_signature(*certificate, document(), {})) ==
        "unsupported_key@0 certificate");
}
