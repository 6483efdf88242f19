#include "libpki/crl.hpp"

#include <catch2/catch.hpp>

#include "tests/support/crl_builder.hpp"
#include "tests/support/fixtures.hpp"
#include "tests/support/result.hpp"

using namespace test;
using namespace std::chrono_literals;
using pki::parse_crl;
using pki::Reason;

namespace {

constexpr auto kCrlNumber = "2.5.29.20";
constexpr auto kDelta = "2.5.29.27";
constexpr auto kIdp = "2.5.29.28";
constexpr auto kExpiredCertsOnCrl = "2.5.29.60";

// parse_crl on a list made by hand: outcome, and the code alone where the offset says nothing.
std::string outcome(const CrlParts& parts) {
  const Octets der = parts.build();
  return refusal(parse_crl(der));
}
std::string code_of(const CrlParts& parts) {
  const Octets der = parts.build();
  return code(parse_crl(der));
}

CrlParts with_extensions(std::initializer_list<Octets> list) {
  CrlParts parts;
  parts.extensions = CrlParts::extensions_of(list);
  return parts;
}

}  // namespace

TEST_CASE("crl: a list by OpenSSL is read in every field", "[crl]") {
  const Octets der = data_file("crl_p256_sha256.der");
  const auto crl = parse_crl(der);
  REQUIRE(refusal(crl) == "accepted");
  const Octets ca_der = data_pem("ca_p256.pem");
  const auto ca = pki::parse_certificate(ca_der);
  REQUIRE(ca);
  CHECK(pki::to_vector(crl->der) == der);
  CHECK(pki::equal(crl->issuer, ca->subject));
  CHECK(pki::equal(crl->authority_key_id, ca->subject_key_id));
  CHECK(crl->this_update == at(2026, 2, 1));
  CHECK(crl->next_update == at(2026, 2, 8));
  CHECK(pki::to_hex(crl->number.octets()) == "000102030405060708090a0b0c0d0e0f10111213");

  // Serial, date, reason and invalidityDate as make_data.sh wrote them, in OpenSSL's order.
  struct Row {
    std::string serial;
    pki::Time date;
    Reason reason;
    std::optional<pki::Time> invalid_from;
  };
  const std::vector<Row> expected = {
      {"01", at(2026, 1, 15, 9, 30, 0), Reason::absent, {}},
      {"7f", at(2026, 1, 15, 9, 30, 1), Reason::key_compromise, {}},
      {"80", at(1999, 12, 31, 23, 59, 59), Reason::ca_compromise, {}},
      {"ffffffffffffffff", at(2026, 1, 15, 9, 30, 4), Reason::superseded, {}},
      {"0123456789abcdef01", at(2026, 1, 15, 9, 30, 2), Reason::certificate_hold, {}},
      {std::string(40, 'f'), at(2026, 1, 15, 9, 30, 3), Reason::key_compromise,
       at(2025, 12, 24, 18)},
  };
  std::size_t i = 0;
  const auto count = pki::for_each_entry(*crl, [&](const pki::CrlEntry& entry) {
    REQUIRE(i < expected.size());
    CAPTURE(i);
    CHECK(pki::serial_to_string(entry.serial) == expected[i].serial);
    CHECK(entry.revocation_date == expected[i].date);
    CHECK(entry.reason == expected[i].reason);
    CHECK(entry.invalidity_date == expected[i].invalid_from);
    ++i;
  });
  REQUIRE(count);
  CHECK(*count == expected.size());
}

TEST_CASE("crl: lists of every scheme are accepted, the weak and the foreign by name", "[crl]") {
  const auto [file, result] = GENERATE(table<std::string, std::string>({
      {"crl_rsa_sha256.der", "accepted"},
      {"crl_rsa_sha384.der", "accepted"},
      {"crl_rsa_sha512.der", "accepted"},
      {"crl_rsa_pss_sha256.der", "accepted"},
      {"crl_pss_sha384.der", "accepted"},
      {"crl_p384_sha384.der", "accepted"},
      {"crl_p521_sha512.der", "accepted"},
      {"crl_ed25519.der", "accepted"},
      {"crl_rsa_sha1.der", "weak_algorithm"},
      {"crl_rsa_md5.der", "weak_algorithm"},
      {"crl_pss_sha1.der", "weak_algorithm"},
      {"crl_p256_sha1.der", "weak_algorithm"},
      {"crl_delta.der", "accepted"},
      {"crl_partition.der", "accepted"},
      {"crl_indirect.der", "indirect_crl"},
      {"crl_pem.pem", "pem_not_der"},
  }));
  CAPTURE(file);
  const Octets der = data_file(file);
  CHECK(code(parse_crl(der)) == result);
}

TEST_CASE("crl: RFC 5280 5.1, CertificateList field by field", "[crl]") {
  CrlParts parts;
  REQUIRE(outcome(parts) == "accepted");
  SECTION("5.1.2.1 version: 2 only, since version 1 has no CRL number") {
    parts.version = {};
    CHECK(outcome(parts) == "unsupported_version@4 version");
    parts.version = integer(0);
    CHECK(outcome(parts) == "unsupported_version@4 version");
    parts.version = integer(2);
    CHECK(outcome(parts) == "unsupported_version@4 version");
    parts.version = hex("02 02 00 01");
    CHECK(outcome(parts) == "bad_integer@4 version");
  }
  SECTION("5.1.1.2 and 5.1.2.2 signature algorithms") {
    parts.outer_algorithm = algorithm("1.2.840.10045.4.3.3");
    const std::string at = std::to_string(2 + parts.tbs().size());
    CHECK(outcome(parts) == "algorithm_mismatch@" + at + " signatureAlgorithm");
    parts.inner_algorithm = algorithm("1.2.3.4");
    CHECK(outcome(parts) == "unsupported_algorithm@7 signature");
    parts.inner_algorithm = algorithm_with_null("1.2.840.113549.1.1.5");
    CHECK(outcome(parts) == "weak_algorithm@7 signature");
  }
  SECTION("5.1.2.4 and 5.1.2.5 thisUpdate, nextUpdate") {
    parts.next_update = {};
    CHECK(code_of(parts) == "missing_next_update");
    parts.next_update = parts.this_update;
    CHECK(code_of(parts) == "time_order");
    parts.next_update = utc_time("260131235959Z");
    CHECK(code_of(parts) == "time_order");
    parts.next_update = generalized_time("20260208000000Z");
    CHECK(code_of(parts) == "wrong_time_type");
    parts.next_update = generalized_time("20500101000000Z");
    CHECK(code_of(parts) == "accepted");
    parts.this_update = utc_time("260230000000Z");
    CHECK(code_of(parts) == "bad_time");
    parts.this_update = {};
    parts.next_update = {};
    CHECK(code_of(parts) == "bad_tag");  // the [0] of the extensions where thisUpdate belongs
  }
  SECTION("5.1.2.6 revokedCertificates: absent rather than empty") {
    parts.revoked = sequence({});
    CHECK(code_of(parts) == "empty_sequence");
  }
  SECTION("5.1.1.3 signature") {
    parts.signature = hex("03 02 07 80");
    CHECK(code_of(parts) == "bad_bit_string");
    parts.signature = {};
    CHECK(code_of(parts) == "truncated");
  }
  SECTION("bytes after the end of each structure") {
    Octets der = parts.build();
    der.push_back(0);
    CHECK(refusal(parse_crl(der)) ==
          "trailing_data@" + std::to_string(der.size() - 1) + " CertificateList");
    parts.signature = concat({parts.signature, null()});
    CHECK(outcome(parts) ==
          "trailing_data@" + std::to_string(parts.build().size() - 2) + " CertificateList");
    parts = CrlParts{};
    parts.extensions = concat({parts.extensions, null()});
    CHECK(outcome(parts) ==
          "trailing_data@" + std::to_string(2 + parts.tbs().size() - 2) + " tbsCertList");
  }
}

TEST_CASE("crl: RFC 5280 5.2, the extensions of a list", "[crl]") {
  const Octets number = extension(kCrlNumber, integer(5));
  SECTION("5.2.1 authorityKeyIdentifier") {
    const Octets aki = extension("2.5.29.35", sequence({tlv(0x80, hex("AABB"))}));
    const Octets der = with_extensions({aki, number}).build();
    const auto crl = parse_crl(der);
    REQUIRE(crl);
    CHECK(pki::to_hex(crl->authority_key_id) == "aabb");
    CHECK(code_of(with_extensions({aki, aki, number})) == "duplicate_extension");
    CHECK(code_of(with_extensions({extension("2.5.29.35", hex("30 01")), number})) == "truncated");
    CHECK(code_of(with_extensions({extension("2.5.29.35", null()), number})) == "bad_tag");
  }
  SECTION("5.2.3 cRLNumber: there, not critical, not negative, at most 20 octets") {
    CrlParts none;
    none.extensions = {};
    CHECK(code_of(none) == "missing_crl_number");
    CHECK(code_of(with_extensions({})) == "empty_sequence");
    CHECK(code_of(with_extensions({extension("1.2.3", null())})) == "missing_crl_number");
    CHECK(code_of(with_extensions({critical_extension(kCrlNumber, integer(5))})) == "criticality");
    CHECK(code_of(with_extensions({number, number})) == "duplicate_extension");
    const auto with_number = [](const Octets& content) {
      return code_of(with_extensions({extension(kCrlNumber, integer_of(content))}));
    };
    CHECK(with_number(Octets(20, 0x7F)) == "accepted");
    CHECK(with_number(Octets(21, 0x7F)) == "crl_number_too_long");
    CHECK(with_number(hex("FF")) == "integer_out_of_range");
    CHECK(with_number(hex("00 7F")) == "bad_integer");
    CHECK(code_of(with_extensions({extension(kCrlNumber, concat({integer(5), null()}))})) ==
          "trailing_data");
  }
  SECTION("5.2.4 deltaCRLIndicator: critical, of a lower number") {
    const auto with_base = [&](const Octets& base) {
      return code_of(with_extensions({number, critical_extension(kDelta, base)}));
    };
    CHECK(with_base(integer(4)) == "accepted");
    CHECK(with_base(integer(0)) == "accepted");
    CHECK(with_base(integer(5)) == "delta_order");
    CHECK(with_base(integer(6)) == "delta_order");
    CHECK(with_base(integer_of(Octets(20, 0x7F))) == "delta_order");
    CHECK(with_base(integer_of(Octets(21, 0x7F))) == "crl_number_too_long");
    CHECK(with_base(hex("02 01 FF")) == "integer_out_of_range");
    CHECK(with_base(hex("02 02 00 04")) == "bad_integer");
    CHECK(with_base(concat({integer(4), null()})) == "trailing_data");
    CHECK(with_base(null()) == "bad_tag");
    const Octets delta = critical_extension(kDelta, integer(4));
    CHECK(code_of(with_extensions({delta, number})) == "accepted");
    CHECK(code_of(with_extensions({number, delta, delta})) == "duplicate_extension");
    CHECK(code_of(with_extensions({number, extension(kDelta, integer(4))})) == "criticality");
    CHECK(code_of(with_extensions({delta})) == "missing_crl_number");
  }
  SECTION("5.2.5 issuingDistributionPoint: once; crl_scope_test.cpp has the rest") {
    const Octets idp = critical_extension(kIdp, sequence({tlv(0x81, hex("FF"))}));
    CHECK(code_of(with_extensions({idp, number})) == "accepted");
    CHECK(code_of(with_extensions({number, idp, idp})) == "duplicate_extension");
  }
  SECTION("X.509 8.5.2.12 expiredCertsOnCRL") {
    const auto with_expired = [&](const Octets& value) {
      return code_of(with_extensions({number, extension(kExpiredCertsOnCrl, value)}));
    };
    CHECK(with_expired(generalized_time("20200401000000Z")) == "accepted");
    CHECK(with_expired(utc_time("200401000000Z")) == "bad_tag");
    CHECK(with_expired(generalized_time("20200431000000Z")) == "bad_time");
    CHECK(with_expired(concat({generalized_time("20200401000000Z"), null()})) == "trailing_data");
    CHECK(with_expired({}) == "truncated");
    const Octets once = extension(kExpiredCertsOnCrl, generalized_time("20200401000000Z"));
    CHECK(code_of(with_extensions({number, once, once})) == "duplicate_extension");
    const Octets der = with_extensions({number, once}).build();
    const auto crl = parse_crl(der);
    REQUIRE(refusal(crl) == "accepted");
    CHECK(crl->expired_certificates_since == at(2020, 4, 1));
  }
  SECTION("others: refused if critical, else ignored") {
    CHECK(code_of(with_extensions({number, critical_extension("1.2.3.4", null())})) ==
          "unknown_critical_extension");
    CHECK(code_of(with_extensions({number, extension("1.2.3.4", hex("DEAD"))})) == "accepted");
    // freshestCRL only says where a delta can be had (5.2.6).
    CHECK(code_of(with_extensions({number, extension("2.5.29.46", sequence({}))})) == "accepted");
  }
}

// The number of the fixture is 0x0102…13; make_data.sh gives the delta the base 5.
TEST_CASE("crl: a delta by OpenSSL says of which list, a complete one of none", "[crl]") {
  const Octets delta_der = data_file("crl_delta.der");
  const auto delta = parse_crl(delta_der);
  REQUIRE(refusal(delta) == "accepted");
  CHECK(delta->kind() == pki::CrlKind::delta);
  REQUIRE(delta->base);
  CHECK(delta->base->to_string() == "5");
  CHECK(delta->scope.id() == pki::ScopeId{});

  const Octets complete_der = data_file("crl_p256_sha256.der");
  const auto complete = parse_crl(complete_der);
  REQUIRE(complete);
  CHECK(complete->kind() == pki::CrlKind::complete);
  CHECK_FALSE(complete->base);
  CHECK_FALSE(complete->expired_certificates_since);
  CHECK(complete->scope.id() == pki::ScopeId{});
}

// A list is often cut short on its way (disk full, connection closed): every cut must be seen.
TEST_CASE("crl: every truncation of a list is refused", "[crl]") {
  const Octets der = data_file("crl_p256_sha256.der");
  for (std::size_t size = 0; size < der.size(); ++size) {
    REQUIRE(code(parse_crl(pki::Bytes(der).first(size))) == "truncated");
  }
}

TEST_CASE("crl: who may speak for an issuer, and when", "[crl]") {
  const Octets der = data_file("crl_p256_sha256.der");
  const auto crl = parse_crl(der);
  REQUIRE(crl);
  const auto check = [&](std::string_view issuer, pki::Time now, std::chrono::seconds skew = 0s) {
    const Octets ca_der = data_pem(issuer);
    const auto ca = pki::parse_certificate(ca_der);
    REQUIRE(ca);
    return refusal(pki::check_crl(*crl, *ca, now, skew));
  };
  const pki::Time now = at(2026, 2, 3);
  CHECK(check("ca_p256.pem", now) == "accepted");
  CHECK(check("ca_p384.pem", now) ==
        "issuer_mismatch@" + std::to_string(crl->issuer.data() - der.data()) + " issuer");
  // Same name, another key: the case that JPKI's three generations make real.
  CHECK(check("ca_p256_rekeyed.pem", now) ==
        "authority_key_mismatch@" + std::to_string(crl->authority_key_id.data() - der.data()) +
            " authorityKeyIdentifier");

  // The last moment of a list is the one before nextUpdate: "by then, a new one" (5.1.2.5).
  CHECK(check("ca_p256.pem", at(2026, 2, 7, 23, 59, 59)) == "accepted");
  CHECK(check("ca_p256.pem", at(2026, 2, 8)) == "expired@0 nextUpdate");
  CHECK(check("ca_p256.pem", at(2026, 2, 1)) == "accepted");
  CHECK(check("ca_p256.pem", at(2026, 1, 31, 23, 59, 59)) == "not_yet_valid@0 thisUpdate");
  CHECK(check("ca_p256.pem", at(2026, 1, 31, 23, 55), 300s) == "accepted");
  CHECK(check("ca_p256.pem", at(2026, 1, 31, 23, 54, 59), 300s) == "not_yet_valid@0 thisUpdate");
}

TEST_CASE("crl: an issuer without cRLSign can't make lists", "[crl]") {
  const Octets ca_der = data_pem("ca_no_crl_sign.pem");
  const auto ca = pki::parse_certificate(ca_der);
  REQUIRE(ca);
  CrlParts parts;
  parts.issuer = pki::to_vector(ca->subject);
  const Octets der = parts.build();
  const auto crl = parse_crl(der);
  REQUIRE(crl);
  CHECK(refusal(pki::check_crl(*crl, *ca, at(2026, 2, 3), 0s)) ==
        "key_usage@0 issuer certificate keyUsage");
}

// RFC 5280 5.2.3: up to 20 octets, so 64 bits do not hold it.
TEST_CASE("crl: numbers compare and print as numbers of 160 bits", "[crl]") {
  std::vector<Octets> contents = {hex("00"),        hex("01"),
                                  hex("7F"),        hex("0080"),
                                  hex("00FF"),      hex("0100"),
                                  Octets(8, 0x7F),  Octets(9, 0x01),
                                  Octets(19, 0x7F), hex("0AFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"),
                                  Octets(20, 0x7F)};
  for (std::size_t i = 0; i < contents.size(); ++i) {
    const pki::CrlNumber number{pki::Bytes(contents[i])};
    CHECK(number.to_string() == integer_decimal(contents[i]));
    CHECK(number.approximate() == Approx(std::stod(integer_decimal(contents[i]))));
    for (std::size_t k = 0; k < contents.size(); ++k) {
      CHECK((number <=> pki::CrlNumber{pki::Bytes(contents[k])}) == (i <=> k));
    }
  }
  CHECK(pki::CrlNumber{}.to_string() == "0");
}

TEST_CASE("crl: reasons have the names of RFC 5280", "[crl]") {
  // OpenSSL's names differ in form only.
  CHECK(pki::to_string(Reason::key_compromise) == "keyCompromise");
  CHECK(pki::to_string(Reason::ca_compromise) == "cACompromise");
  CHECK(pki::to_string(Reason::certificate_hold) == "certificateHold");
  CHECK(pki::to_string(Reason::remove_from_crl) == "removeFromCRL");
  CHECK(pki::to_string(Reason::aa_compromise) == "aACompromise");
  CHECK(pki::to_string(Reason::absent) == "none");
}
