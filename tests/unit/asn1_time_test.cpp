#include "libpki/asn1_time.hpp"

#include <catch2/catch.hpp>
#include <random>

#include "tests/support/openssl.hpp"
#include "tests/support/result.hpp"

using pki::der::Reader;
using test::at;
using test::generalized_time;
using test::Octets;
using test::refusal;
using test::utc_time;

namespace {

pki::Result<pki::Time> read(const Octets& der) {
  Reader reader(der);
  return pki::read_pkix_time(reader, "t");
}

}  // namespace

// RFC 5280 4.1.2.5.1: 50 to 99 mean 19YY, 00 to 49 mean 20YY.
TEST_CASE("asn1_time: the two digits of a UTCTime turn at 50", "[asn1_time]") {
  const auto [text, time] = GENERATE(table<std::string, pki::Time>({
      {"500101000000Z", at(1950, 1, 1)},
      {"991231235959Z", at(1999, 12, 31, 23, 59, 59)},
      {"000101000000Z", at(2000, 1, 1)},
      {"491231235959Z", at(2049, 12, 31, 23, 59, 59)},
      {"000229120000Z", at(2000, 2, 29, 12)},
      {"240229000000Z", at(2024, 2, 29)},
  }));
  CAPTURE(text);
  const auto result = read(utc_time(text));
  REQUIRE(result);
  CHECK(*result == time);
}

// RFC 5280 4.1.2.5: seconds always there, Z always there, no fraction, and a moment that exists.
TEST_CASE("asn1_time: only the form of RFC 5280 and moments that exist are taken", "[asn1_time]") {
  const std::string text = GENERATE(values<std::string>({"",
                                                         "Z",
                                                         "2602010000Z",
                                                         "260201000000",
                                                         "260201000000+0900",
                                                         "2602010000000",
                                                         "260201000000z",
                                                         "261301000000Z",
                                                         "260001000000Z",
                                                         "260132000000Z",
                                                         "260100000000Z",
                                                         "260431000000Z",
                                                         "230229000000Z",
                                                         "260201240000Z",
                                                         "260201006000Z",
                                                         "260201000060Z",
                                                         "26020100000 Z",
                                                         "2602010000-1Z",
                                                         "+60201000000Z",
                                                         "2602010000/0Z",
                                                         "260201000:00Z",
                                                         "260201000000ZZ"}));
  CAPTURE(text);
  CHECK(refusal(read(utc_time(text))) == "bad_time@0 t");
  CHECK(refusal(read(generalized_time("20" + text))) == "bad_time@0 t");
}

TEST_CASE("asn1_time: a GeneralizedTime has no fraction", "[asn1_time]") {
  CHECK(refusal(read(generalized_time("20600201000000.5Z"))) == "bad_time@0 t");
  CHECK(refusal(read(generalized_time("21000229000000Z"))) ==
        "bad_time@0 t");  // 2100: no leap year
}

// RFC 5280 5.1.2.4. Taking either form would give one list two encodings.
TEST_CASE("asn1_time: the type follows the year", "[asn1_time]") {
  CHECK(refusal(read(generalized_time("20491231235959Z"))) == "wrong_time_type@0 t");
  CHECK(refusal(read(generalized_time("19491231235959Z"))) == "wrong_time_type@0 t");
  CHECK(*read(generalized_time("20500101000000Z")) == at(2050, 1, 1));
  CHECK(*read(generalized_time("99991231235959Z")) == at(9999, 12, 31, 23, 59, 59));
  CHECK(refusal(read(test::integer(1))) == "bad_tag@0 t");
  CHECK(refusal(read(Octets{})) == "truncated@0 t");

  const Octets early = generalized_time("19700101000000Z");  // fine in OCSP, and in read_time
  Reader any(early);
  CHECK(*pki::read_time(any, "t") == at(1970, 1, 1));
  Reader generalized(early);
  CHECK(*pki::read_generalized_time(generalized, "t") == at(1970, 1, 1));
  const Octets utc = utc_time("700101000000Z");
  Reader refused(utc);
  CHECK(refusal(pki::read_generalized_time(refused, "t")) == "bad_tag@0 t");
}

TEST_CASE("asn1_time: random moments are read and written as OpenSSL does", "[asn1_time]") {
  std::mt19937_64 random(3);
  for (int round = 0; round < 2000; ++round) {
    // From 1950 to 9999.
    const std::int64_t seconds =
        static_cast<std::int64_t>(random() % 254'000'000'000) - 631'000'000;
    const test::Asn1Time oracle(
        ASN1_TIME_set(nullptr, seconds));  // picks the type as RFC 5280 does
    REQUIRE(oracle);
    const std::string text(reinterpret_cast<const char*>(ASN1_STRING_get0_data(oracle.get())),
                           static_cast<std::size_t>(ASN1_STRING_length(oracle.get())));
    const bool is_utc = ASN1_STRING_type(oracle.get()) == V_ASN1_UTCTIME;
    CAPTURE(text);
    const pki::Time time{std::chrono::seconds{seconds}};
    const auto result = read(is_utc ? utc_time(text) : generalized_time(text));
    REQUIRE(result);
    REQUIRE(*result == time);

    const test::Asn1Time generalized(ASN1_TIME_to_generalizedtime(oracle.get(), nullptr));
    pki::der::Writer writer;
    pki::write_generalized_time(writer, time);
    REQUIRE(writer.take() == generalized_time(reinterpret_cast<const char*>(
                                 ASN1_STRING_get0_data(generalized.get()))));
  }
}

TEST_CASE("asn1_time: people read RFC 3339", "[asn1_time]") {
  CHECK(pki::to_string(at(2026, 11, 22, 1, 2, 3)) == "2026-11-22T01:02:03Z");
  CHECK(pki::to_string(at(1950, 1, 1)) == "1950-01-01T00:00:00Z");
}
