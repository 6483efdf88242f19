#include "libpki/crypto.hpp"

#include <catch2/catch.hpp>

#include "libpki/crl.hpp"
#include "tests/support/fixtures.hpp"
#include "tests/support/openssl.hpp"
#include "tests/support/result.hpp"

using namespace test;
using pki::DigestAlgorithm;
using pki::KeyKind;
using pki::PublicKey;
using pki::SignatureScheme;
using pki::Signer;

namespace {

Octets spki_of(EVP_PKEY* key) {
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key, &der);
  Octets out(der, der + size);
  OPENSSL_free(der);
  return out;
}

PublicKey public_key(std::string_view key_file) {
  return *PublicKey::parse(spki_of(load_key(key_file).get()));
}

}  // namespace

// FIPS 180-4, the example "abc".
TEST_CASE("crypto: digests are those of FIPS 180-4", "[crypto]") {
  const Octets abc = text("abc");
  CHECK(pki::to_hex(pki::digest(DigestAlgorithm::sha1, abc).bytes()) ==
        "a9993e364706816aba3e25717850c26c9cd0d89d");
  CHECK(pki::to_hex(pki::digest(DigestAlgorithm::sha256, abc).bytes()) ==
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(pki::to_hex(pki::digest(DigestAlgorithm::sha384, abc).bytes()) ==
        "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
        "8086072ba1e7cc2358baeca134c825a7");
  CHECK(pki::to_hex(pki::digest(DigestAlgorithm::sha512, abc).bytes()) ==
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
        "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
  CHECK(pki::digest(DigestAlgorithm::sha256, {}).size == 32);
}

TEST_CASE("crypto: the kinds of key that verify", "[crypto]") {
  const auto [file, kind, text] = GENERATE(table<std::string, KeyKind, std::string>({
      {"ca_rsa.key", KeyKind::rsa, "RSA 2048"},
      {"ca_pss.key", KeyKind::rsa, "RSA 2048"},
      {"ca_p256.key", KeyKind::ec_p256, "EC P-256"},
      {"ca_p384.key", KeyKind::ec_p384, "EC P-384"},
      {"ca_p521.key", KeyKind::ec_p521, "EC P-521"},
      {"ca_ed25519.key", KeyKind::ed25519, "Ed25519"},
  }));
  const PublicKey key = public_key(file);
  CHECK(key.kind() == kind);
  CHECK(key.description() == text);
}

TEST_CASE("crypto: short RSA keys, odd curves and garbage are no public keys", "[crypto]") {
  const std::string unsupported = "unsupported_key@0 subjectPublicKeyInfo";
  CHECK(refusal(PublicKey::parse(spki_of(load_key("key_rsa1024.key").get()))) == unsupported);
  CHECK(refusal(PublicKey::parse(spki_of(load_key("key_secp256k1.key").get()))) == unsupported);
  CHECK(refusal(PublicKey::parse({})) == unsupported);
  Octets spki = spki_of(load_key("ca_p256.key").get());
  spki.push_back(0);
  CHECK(refusal(PublicKey::parse(spki)) == unsupported);
  spki.resize(spki.size() - 2);
  CHECK(refusal(PublicKey::parse(spki)) == unsupported);
}

// The lists were signed by the openssl program.
TEST_CASE("crypto: every kind of signature verifies, and no bit of it may change", "[crypto]") {
  const auto [file, issuer] = GENERATE(table<std::string, std::string>({
      {"crl_rsa_sha256.der", "ca_rsa.key"},
      {"crl_rsa_sha384.der", "ca_rsa.key"},
      {"crl_rsa_sha512.der", "ca_rsa.key"},
      {"crl_rsa_pss_sha256.der", "ca_rsa.key"},
      {"crl_pss_sha256.der", "ca_pss.key"},
      {"crl_pss_sha384.der", "ca_pss.key"},
      {"crl_pss_sha512.der", "ca_pss.key"},
      {"crl_p256_sha256.der", "ca_p256.key"},
      {"crl_p256_sha512.der", "ca_p256.key"},
      {"crl_p384_sha384.der", "ca_p384.key"},
      {"crl_p521_sha512.der", "ca_p521.key"},
      {"crl_ed25519.der", "ca_ed25519.key"},
  }));
  CAPTURE(file);
  const Octets der = data_file(file);
  const auto crl = pki::parse_crl(der);
  REQUIRE(crl);
  const PublicKey key = public_key(issuer);
  const auto verified = pki::verify_signature(crl->algorithm, key, crl->tbs, crl->signature);
  REQUIRE(refusal(verified) == "accepted");
  // The digest that comes back is the one of the data.
  CHECK(*verified == pki::digest(crl->algorithm.digest, crl->tbs));

  Octets data = pki::to_vector(crl->tbs);
  data[data.size() / 2] ^= 1;
  CHECK(refusal(pki::verify_signature(crl->algorithm, key, data, crl->signature)) ==
        "bad_signature@0 signature");
  Octets signature = pki::to_vector(crl->signature);
  signature.back() ^= 1;
  CHECK(refusal(pki::verify_signature(crl->algorithm, key, crl->tbs, signature)) ==
        "bad_signature@0 signature");
  signature.pop_back();
  CHECK(refusal(pki::verify_signature(crl->algorithm, key, crl->tbs, signature)) ==
        "bad_signature@0 signature");
  CHECK(refusal(pki::verify_signature(crl->algorithm, key, crl->tbs, {})) ==
        "bad_signature@0 signature");
}

TEST_CASE("crypto: a signature verifies under its own algorithm and key only", "[crypto]") {
  const Octets der = data_file("crl_p256_sha256.der");
  const auto crl = pki::parse_crl(der);
  REQUIRE(crl);
  const auto verify = [&](pki::SignatureAlgorithm algorithm, std::string_view key) {
    return refusal(pki::verify_signature(algorithm, public_key(key), crl->tbs, crl->signature));
  };
  CHECK(verify(crl->algorithm, "ca_p256_rekeyed.key") == "bad_signature@0 signature");
  CHECK(verify(crl->algorithm, "ca_rsa.key") == "unsupported_key@0 signature");
  CHECK(verify(crl->algorithm, "ca_ed25519.key") == "unsupported_key@0 signature");
  CHECK(verify({SignatureScheme::rsa_pkcs1, DigestAlgorithm::sha256}, "ca_p256.key") ==
        "unsupported_key@0 signature");
  CHECK(verify({SignatureScheme::ecdsa, DigestAlgorithm::sha384}, "ca_p256.key") ==
        "bad_signature@0 signature");

  // The salt's length is part of what a PSS signature says (RFC 4055 3.1).
  const Octets pss_der = data_file("crl_pss_salt20.der");
  const auto pss = pki::parse_crl(pss_der);
  REQUIRE(pss);
  pki::SignatureAlgorithm algorithm = pss->algorithm;
  const PublicKey key = public_key("ca_pss.key");
  CHECK(pki::verify_signature(algorithm, key, pss->tbs, pss->signature));
  algorithm.salt_bytes = 32;
  CHECK(code(pki::verify_signature(algorithm, key, pss->tbs, pss->signature)) == "bad_signature");
}

TEST_CASE("crypto: what a Signer signs, OpenSSL verifies", "[crypto]") {
  const auto [file, scheme, digest] =
      GENERATE(table<std::string, SignatureScheme, DigestAlgorithm>({
          {"ca_rsa.key", SignatureScheme::rsa_pkcs1, DigestAlgorithm::sha256},
          {"ca_p256.key", SignatureScheme::ecdsa, DigestAlgorithm::sha256},
          {"key_p256_traditional.key", SignatureScheme::ecdsa, DigestAlgorithm::sha256},
          {"ca_p384.key", SignatureScheme::ecdsa, DigestAlgorithm::sha384},
          {"ca_p521.key", SignatureScheme::ecdsa, DigestAlgorithm::sha512},
          {"ca_ed25519.key", SignatureScheme::ed25519, DigestAlgorithm::sha512},
      }));
  CAPTURE(file);
  auto signer = Signer::from_pem(data_text(file));
  REQUIRE(signer);
  CHECK(signer->algorithm() == pki::SignatureAlgorithm{scheme, digest});
  CHECK(signer->matches(public_key(file)));
  CHECK_FALSE(signer->matches(public_key("ca_p256_rekeyed.key")));

  const EVP_MD* md = nullptr;
  if (scheme != SignatureScheme::ed25519) {
    md = digest == DigestAlgorithm::sha256   ? EVP_sha256()
         : digest == DigestAlgorithm::sha384 ? EVP_sha384()
                                             : EVP_sha512();
  }
  const Key key = load_key(file);
  Signer clone = signer->clone();
  for (const std::size_t size :
       {0UL, 1UL, 1000UL, 100'000UL}) {  // a signer is used again and again
    for (Signer* each : {&*signer, &clone}) {
      const Octets data(size, 0x42);
      const auto signature = each->sign(data);
      REQUIRE(signature);
      const Owned<EVP_MD_CTX, EVP_MD_CTX_free> context(EVP_MD_CTX_new());
      REQUIRE(EVP_DigestVerifyInit(context.get(), nullptr, md, nullptr, key.get()) == 1);
      CHECK(EVP_DigestVerify(context.get(), signature->data(), signature->size(), data.data(),
                             data.size()) == 1);
    }
  }
}

// An operator must hear about a key that can't sign when the server starts, not with each answer.
TEST_CASE("crypto: keys that can't sign here are refused when they are loaded", "[crypto]") {
  const std::string file = GENERATE(values<std::string>(
      {"key_rsa1024.key", "key_secp256k1.key", "key_encrypted.key", "ca_p256.pem", "ca_pss.key"}));
  CAPTURE(file);
  CHECK(refusal(Signer::from_pem(data_text(file))) == "unsupported_key@0 private key");
  CHECK(refusal(Signer::from_pem("")) == "unsupported_key@0 private key");
}

TEST_CASE("crypto: the first PEM block with the label is taken", "[crypto]") {
  const std::string certificate = data_text("ca_p256.pem");
  const std::string both = "some text\n" + data_text("ca_p256.key") + certificate;
  const auto found = pki::decode_pem(both, "CERTIFICATE");
  REQUIRE(found);
  CHECK(*found == data_pem("ca_p256.pem"));
  CHECK_FALSE(pki::decode_pem(both, "X509 CRL"));
  CHECK_FALSE(pki::decode_pem("", "CERTIFICATE"));
  CHECK_FALSE(pki::decode_pem(certificate.substr(0, certificate.size() / 2), "CERTIFICATE"));
}

TEST_CASE("crypto: names in the order of RFC 2253", "[crypto]") {
  const Octets der = data_pem("ca_p256.pem");
  const auto certificate = pki::parse_certificate(der);
  REQUIRE(certificate);
  CHECK(pki::name_to_string(certificate->subject) == "CN=P-256 CA,O=Tashika test,C=JP");
  CHECK(pki::name_to_string(name("確か")) == "CN=確か");
  CHECK(pki::name_to_string(null()) == "(unreadable name)");
  CHECK(pki::crypto_library_version().starts_with("OpenSSL 3"));
}

TEST_CASE("crypto: a new P-256 key is written, read back, and signs", "[crypto]") {
  Signer first = Signer::generate_p256();
  CHECK_FALSE(first.matches(Signer::generate_p256().public_key()));
  const std::string pem = first.to_pem();
  CHECK(pem.starts_with("-----BEGIN PRIVATE KEY-----\n"));
  auto again = Signer::from_pem(pem);
  REQUIRE(again);
  const PublicKey key = first.public_key();
  CHECK(key.kind() == KeyKind::ec_p256);
  CHECK(again->matches(key));
  const Octets data = text("abc");
  const auto signature = again->sign(data);
  REQUIRE(signature);
  CHECK(pki::verify_signature(again->algorithm(), key, data, *signature));
}

// More keys than contexts are kept, in turns, right and wrong: none may answer for another.
TEST_CASE("crypto: contexts that are kept belong to their key and algorithm", "[crypto]") {
  std::vector<Signer> signers;
  std::vector<PublicKey> keys;
  for (int i = 0; i < 6; ++i) {
    signers.push_back(Signer::generate_p256());
    keys.push_back(signers.back().public_key());
  }
  const pki::SignatureAlgorithm sha384{SignatureScheme::ecdsa, DigestAlgorithm::sha384};
  for (int round = 0; round < 4; ++round) {
    const Octets data(static_cast<std::size_t>(round), 7);
    for (std::size_t i = 0; i < signers.size(); ++i) {
      const Octets signature = pki::to_vector(*signers[i].sign(data));
      const auto algorithm = signers[i].algorithm();
      const PublicKey& other = keys[(i + 1) % keys.size()];
      CHECK(pki::verify_signature(algorithm, keys[i], data, signature));
      CHECK_FALSE(pki::verify_signature(algorithm, other, data, signature));
      CHECK_FALSE(pki::verify_signature(sha384, keys[i], data, signature));
      CHECK(pki::verify_signature(algorithm, keys[i], data, signature));
    }
  }
}

TEST_CASE("crypto: points of EC keys only", "[crypto]") {
  CHECK(public_key("ca_p256.key").ec_point().size() == 65);
  CHECK(public_key("ca_p384.key").ec_point().size() == 97);
  CHECK(public_key("ca_p521.key").ec_point().size() == 133);
  CHECK(public_key("ca_rsa.key").ec_point().empty());
  CHECK(public_key("ca_ed25519.key").ec_point().empty());
}
