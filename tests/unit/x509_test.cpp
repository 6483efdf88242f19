#include "libpki/x509.hpp"

#include <catch2/catch.hpp>

#include "libpki/oid.hpp"
#include "libpki/serial.hpp"
#include "tests/support/fixtures.hpp"
#include "tests/support/openssl.hpp"
#include "tests/support/result.hpp"

using namespace test;
using pki::parse_certificate;

namespace {

constexpr auto kEcdsa = "1.2.840.10045.4.3.2";

// A certificate put together by hand; each field is complete DER, and empty means left out.
struct Parts {
  Octets version = tlv(0xA0, {integer(2)});
  Octets serial = integer(1);
  Octets inner_algorithm = algorithm(kEcdsa);
  Octets issuer = name("CA");
  Octets validity = sequence({utc_time("200101000000Z"), generalized_time("20991231235959Z")});
  Octets subject = name("Somebody");
  Octets spki = sequence({algorithm("1.2.840.10045.2.1"), bit_string(hex("04"))});
  Octets unique_ids;
  Octets extensions;
  Octets outer_algorithm = algorithm(kEcdsa);
  Octets signature = bit_string(hex("3000"));

  [[nodiscard]] Parts with(std::initializer_list<Octets> list) const {
    Parts copy = *this;
    copy.extensions = tlv(0xA3, {sequence(list)});
    return copy;
  }
  [[nodiscard]] Octets build() const {
    return sequence({sequence({version, serial, inner_algorithm, issuer, validity, subject, spki,
                               unique_ids, extensions}),
                     outer_algorithm, signature});
  }
};

std::string outcome(const Parts& parts) {
  const Octets der = parts.build();
  return refusal(parse_certificate(der));
}
std::string code_of(const Parts& parts) {
  const Octets der = parts.build();
  return code(parse_certificate(der));
}

}  // namespace

TEST_CASE("x509: fields of real certificates are what OpenSSL reads", "[x509]") {
  const std::string file =
      GENERATE(values<std::string>({"ca_rsa.pem", "ca_pss.pem", "ca_p256.pem", "ca_p384.pem",
                                    "ca_p521.pem", "ca_ed25519.pem", "responder.pem"}));
  CAPTURE(file);
  const Octets der = data_pem(file);
  const auto certificate = parse_certificate(der);
  REQUIRE(refusal(certificate) == "accepted");
  const X509Certificate oracle = load_certificate(file);

  CHECK(pki::to_vector(certificate->der) == der);
  CHECK(pki::serial_to_string(certificate->serial) ==
        (file == "responder.pem" ? "2000" : pki::serial_to_string(certificate->serial)));
  CHECK(certificate->not_before == at(2020, 1, 1));
  CHECK(certificate->not_after == at(2099, 12, 31, 23, 59, 59));
  CHECK(certificate->is_valid_at(at(2099, 12, 31, 23, 59, 59)));
  CHECK_FALSE(certificate->is_valid_at(at(2100, 1, 1)));
  CHECK_FALSE(certificate->is_valid_at(at(2019, 12, 31, 23, 59, 59)));

  const auto encoded = [](auto* object, auto i2d) {
    unsigned char* out = nullptr;
    const int size = i2d(object, &out);
    Octets octets(out, out + size);
    OPENSSL_free(out);
    return octets;
  };
  CHECK(pki::to_vector(certificate->issuer) ==
        encoded(X509_get_issuer_name(oracle.get()), i2d_X509_NAME));
  CHECK(pki::to_vector(certificate->subject) ==
        encoded(X509_get_subject_name(oracle.get()), i2d_X509_NAME));
  CHECK(pki::to_vector(certificate->spki) ==
        encoded(X509_get_X509_PUBKEY(oracle.get()), i2d_X509_PUBKEY));
  const ASN1_BIT_STRING* bits = X509_get0_pubkey_bitstr(oracle.get());
  CHECK(pki::to_vector(certificate->key_bits) == Octets(bits->data, bits->data + bits->length));
  const ASN1_OCTET_STRING* key_id = X509_get0_subject_key_id(oracle.get());
  CHECK(pki::to_vector(certificate->subject_key_id) ==
        Octets(key_id->data, key_id->data + key_id->length));

  const bool is_ca = file != "responder.pem";
  CHECK(certificate->is_ca == is_ca);
  CHECK(certificate->may_sign_crls() == is_ca);
  CHECK(certificate->may_sign_data() == !is_ca);
  CHECK(certificate->has_extended_key_usage == !is_ca);
  CHECK(certificate->may_sign_ocsp == !is_ca);
  CHECK(certificate->ocsp_nocheck == !is_ca);
  CHECK_FALSE(certificate->unknown_critical);
}

TEST_CASE("x509: issued by means the same name and this very key", "[x509]") {
  const auto [subject, issuer, result] = GENERATE(table<std::string, std::string, std::string>({
      {"ca_rsa.pem", "ca_rsa.pem", "accepted"},
      {"ca_pss.pem", "ca_pss.pem", "accepted"},
      {"ca_p384.pem", "ca_p384.pem", "accepted"},
      {"ca_p521.pem", "ca_p521.pem", "accepted"},
      {"ca_ed25519.pem", "ca_ed25519.pem", "accepted"},
      {"responder.pem", "ca_p256.pem", "accepted"},
      {"responder_rsa.pem", "ca_rsa.pem", "accepted"},
      {"responder.pem", "ca_rsa.pem", "issuer_mismatch@0 issuer"},
      {"responder.pem", "ca_p256_rekeyed.pem", "bad_signature@0 signature"},
      {"key_rsa1024.pem", "key_rsa1024.pem", "unsupported_key@0 subjectPublicKeyInfo"},
  }));
  CAPTURE(subject, issuer);
  const Octets subject_der = data_pem(subject);
  const Octets issuer_der = data_pem(issuer);
  CHECK(refusal(pki::verify_issued_by(*parse_certificate(subject_der),
                                      *parse_certificate(issuer_der))) == result);
}

TEST_CASE("x509: RFC 5280 4.1, field by field", "[x509]") {
  const Parts good;
  CHECK(outcome(good) == "accepted");
  Parts parts = good;
  SECTION("version 3 only: the others have no extensions") {
    parts.version = {};
    CHECK(outcome(parts) == "unsupported_version@4 version");
    parts.version = tlv(0xA0, {integer(1)});
    CHECK(code_of(parts) == "unsupported_version");
    parts.version = tlv(0xA0, {integer(2), null()});
    CHECK(code_of(parts) == "trailing_data");
  }
  SECTION("serial") {
    parts.serial = integer_of(Octets(21, 0x11));
    CHECK(code_of(parts) == "serial_too_long");
    parts.serial = integer(0);  // graceful (4.1.2.2)
    CHECK(code_of(parts) == "accepted");
  }
  SECTION("algorithms") {
    parts.outer_algorithm = algorithm("1.2.840.10045.4.3.3");
    CHECK(code_of(parts) == "algorithm_mismatch");
    parts.inner_algorithm = algorithm_with_null("1.2.840.113549.1.1.5");
    CHECK(code_of(parts) == "weak_algorithm");
    parts.inner_algorithm = algorithm("1.2.3");
    CHECK(code_of(parts) == "unsupported_algorithm");
  }
  SECTION("validity") {
    parts.validity = sequence({utc_time("200101000001Z"), utc_time("200101000000Z")});
    CHECK(code_of(parts) == "time_order");
    parts.validity = sequence({utc_time("200101000000Z"), utc_time("200101000000Z")});
    CHECK(code_of(parts) == "accepted");  // a moment is a period
    parts.validity = sequence({utc_time("200101000000Z"), generalized_time("20490101000000Z")});
    CHECK(code_of(parts) == "wrong_time_type");
    parts.validity = sequence({utc_time("200101000000Z")});
    CHECK(code_of(parts) == "truncated");
  }
  SECTION("key") {
    parts.spki = sequence({algorithm("1.2.3"), hex("03 02 01 00")});
    CHECK(code_of(parts) == "bad_bit_string");
  }
  SECTION("unique identifiers are read over") {
    parts.unique_ids = concat({tlv(0x81, hex("00 01")), tlv(0x82, hex("00 02"))});
    CHECK(code_of(parts) == "accepted");
  }
  SECTION("ends") {
    parts.signature = concat({parts.signature, null()});
    CHECK(code_of(parts) == "trailing_data");
    Octets der = good.build();
    der.push_back(0);
    CHECK(refusal(parse_certificate(der)) ==
          "trailing_data@" + std::to_string(der.size() - 1) + " Certificate");
  }
}

TEST_CASE("x509: RFC 5280 4.2, the extensions that matter", "[x509]") {
  const Parts base;
  const auto parsed = [&](std::initializer_list<Octets> list, auto check) {
    const Octets der = base.with(list).build();
    const auto certificate = parse_certificate(der);
    REQUIRE(refusal(certificate) == "accepted");
    check(*certificate);
  };
  parsed({critical_extension("2.5.29.15", hex("03 02 01 06"))}, [](const auto& c) {
    CHECK(c.may_sign_crls());
    CHECK_FALSE(c.may_sign_data());
  });
  parsed({critical_extension("2.5.29.15", hex("03 02 07 80"))}, [](const auto& c) {
    CHECK_FALSE(c.may_sign_crls());
    CHECK(c.may_sign_data());
  });
  parsed({extension("2.5.29.14", octet_string(hex("AA"))),
          extension("2.5.29.35",
                    sequence({tlv(0x80, hex("BB")), tlv(0xA1, {}), tlv(0x82, hex("01"))}))},
         [](const auto& c) {
           CHECK(pki::to_hex(c.subject_key_id) == "aa");
           CHECK(pki::to_hex(c.authority_key_id) == "bb");
           CHECK(c.may_sign_crls());  // no keyUsage: anything goes
           CHECK(c.may_sign_data());
         });
  parsed(
      {extension("2.5.29.37", sequence({oid("1.3.6.1.5.5.7.3.1"), oid("2.5.29.37.0")}))},
      [](const auto& c) {
        CHECK(c.has_extended_key_usage);
        CHECK_FALSE(c.may_sign_ocsp);  // anyExtendedKeyUsage is not OCSPSigning (RFC 6960 4.2.2.2)
      });
  parsed({critical_extension("1.2.3.4", null())}, [](const auto& c) { CHECK(c.unknown_critical); });
  parsed({extension("1.2.3.4", hex("DEAD"))},
         [](const auto& c) { CHECK_FALSE(c.unknown_critical); });

  const auto refused = [&](std::initializer_list<Octets> list) { return code_of(base.with(list)); };
  const Octets usage = extension("2.5.29.15", hex("03 02 01 06"));
  CHECK(refused({usage, usage}) == "duplicate_extension");
  CHECK(refused({}) == "empty_sequence");
  CHECK(refused({extension("2.5.29.15", hex("03 02 01 07"))}) == "bad_bit_string");
  CHECK(refused({extension("2.5.29.15", hex("03 02 01 06 00"))}) == "trailing_data");
  CHECK(refused({extension("2.5.29.37", sequence({}))}) == "empty_sequence");
  CHECK(refused({extension("2.5.29.19", sequence({boolean(false)}))}) == "default_encoded");
  CHECK(refused({extension("2.5.29.19", sequence({boolean(true), integer(0)}))}) == "accepted");
  CHECK(refused({extension("1.3.6.1.5.5.7.48.1.5", hex("05 01 00"))}) == "bad_null");
  CHECK(refused({sequence({oid("1.2.3"), boolean(false), octet_string({})})}) == "default_encoded");
  CHECK(refused({sequence({oid("1.2.3"), hex("01 01 01"), octet_string({})})}) == "bad_boolean");
  CHECK(refused({sequence({oid("1.2.3"), octet_string({}), null()})}) == "trailing_data");
}

// Nothing of a certificate may be read before its end is known, wherever it is cut.
TEST_CASE("x509: every truncation of a certificate is refused", "[x509]") {
  const Octets der = data_pem("responder.pem");
  for (std::size_t size = 0; size < der.size(); ++size) {
    REQUIRE(code(parse_certificate(pki::Bytes(der).first(size))) == "truncated");
  }
}

TEST_CASE("x509: policies and subjectAltName are views, as they stand", "[x509]") {
  const Octets der = data_file("person_odd.der");
  const auto certificate = parse_certificate(der);
  REQUIRE(refusal(certificate) == "accepted");
  std::vector<std::string> policies;
  for (const pki::Bytes id : certificate->policies()) policies.push_back(pki::oid_to_string(id));
  CHECK(policies == std::vector<std::string>{"1.2.392.200149.8.5.1.1.20", "2.5.29.32.0"});
  CHECK(certificate->subject_alt_name.data() > der.data());
  CHECK(certificate->subject_alt_name[0] == 0x30);

  const Octets plain = Parts{}.build();
  CHECK(parse_certificate(plain)->policies().empty());
  CHECK(parse_certificate(plain)->subject_alt_name.empty());
}

TEST_CASE("x509: policies of another form are refused", "[x509]") {
  const auto policies = [](const Octets& value) {
    return code_of(Parts{}.with({extension("2.5.29.32", value)}));
  };
  CHECK(policies(sequence({sequence({oid("1.2.3")})})) == "accepted");
  CHECK(policies(sequence({sequence({oid("1.2.3"), sequence({null()})})})) == "accepted");
  CHECK(policies(sequence({})) == "empty_sequence");
  CHECK(policies(sequence({sequence({})})) == "truncated");
  CHECK(policies(sequence({oid("1.2.3")})) == "bad_tag");
  CHECK(policies(sequence({sequence({tlv(0x06, hex("80"))})})) == "bad_oid");
  CHECK(policies(sequence({sequence({oid("1.2.3"), null()})})) == "trailing_data");
  CHECK(policies(concat({sequence({sequence({oid("1.2.3")})}), null()})) == "trailing_data");
  const Octets one = extension("2.5.29.32", sequence({sequence({oid("1.2.3")})}));
  CHECK(code_of(Parts{}.with({one, one})) == "duplicate_extension");
  const Octets name = extension("2.5.29.17", sequence({tlv(0x82, text("a"))}));
  CHECK(code_of(Parts{}.with({name, name})) == "duplicate_extension");
}
