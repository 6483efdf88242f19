#include "libpki/oid.hpp"

#include <catch2/catch.hpp>
#include <random>

#include "tests/support/openssl.hpp"

using namespace test;

TEST_CASE("oid: dotted texts, as OpenSSL writes and reads them", "[oid]") {
  const std::string dotted = GENERATE(values<std::string>(
      {"0.0", "0.39", "1.0", "1.39", "2.0", "2.39", "2.40", "2.999.3", "2.5.29.17",
       "1.2.840.113549.1.1.11", "1.2.392.200149.8.5.5.1", "1.2.392.200149.8.5.1.1.20",
       "2.18446744073709551535", "1.3.18446744073709551615", "1.2.127.128.16383.16384"}));
  CAPTURE(dotted);
  const Owned<ASN1_OBJECT, ASN1_OBJECT_free> theirs(OBJ_txt2obj(dotted.c_str(), 1));
  REQUIRE(theirs);
  const Octets content(OBJ_get0_data(theirs.get()),
                       OBJ_get0_data(theirs.get()) + OBJ_length(theirs.get()));
  CHECK(pki::oid_to_string(content) == dotted);
  CHECK(pki::oid_from_string(dotted) == content);
}

TEST_CASE("oid: texts that are none", "[oid]") {
  for (const std::string text :
       {"", "1", "1.", ".1", "3.1", "1.40", "0.40", "1..2", "1.2.", "01.2", "1.02", "1.2 ", "1.-2",
        "1.+2", "a.b", "1.18446744073709551616", "2.18446744073709551536"}) {
    CAPTURE(text);
    CHECK_FALSE(pki::oid_from_string(text));
  }
  std::string long_one = "1.2";
  for (int i = 0; i < 63; ++i) long_one += ".1";
  CHECK(pki::oid_from_string(long_one));
  CHECK_FALSE(pki::oid_from_string(long_one + ".1"));
}

TEST_CASE("oid: content that cannot be said in dots is said in hex", "[oid]") {
  CHECK(pki::oid_to_string({}) == "#");
  CHECK(pki::oid_to_string(hex("2A 80 01")) == "#2a8001");
  CHECK(pki::oid_to_string(hex("2A 83")) == "#2a83");
  CHECK(pki::oid_to_string(hex("2A 83 80 80 80 80 80 80 80 80 00")).starts_with("#"));
}
