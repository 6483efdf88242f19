#include "libpki/bytes.hpp"

#include <catch2/catch.hpp>
#include <random>

#include "tests/support/openssl.hpp"
#include "tests/support/result.hpp"

using test::Octets;
using test::refusal;

TEST_CASE("bytes: hex is lower case, two digits an octet", "[bytes]") {
  CHECK(pki::to_hex({}).empty());
  CHECK(pki::to_hex(Octets{0x00, 0x0F, 0xA5, 0xFF}) == "000fa5ff");
}

TEST_CASE("bytes: hex is read in either case, and refused as a whole", "[bytes]") {
  const auto [text, octets] = GENERATE(table<std::string, Octets>({
      {"", {}},
      {"00", {0x00}},
      {"fFaA", {0xFF, 0xAA}},
      {"1", {0x01}},  // an odd digit count means a leading zero
      {"abc", {0x0A, 0xBC}},
      {"0g", {}},
      {"0x01", {}},
      {" 01", {}},
  }));
  CAPTURE(text);
  CHECK(pki::from_hex(text) == octets);
}

// RFC 4648 section 10, and the same without padding and in the URL alphabet.
TEST_CASE("bytes: base64 decodes the vectors of RFC 4648 in both alphabets", "[bytes]") {
  const auto [text, decoded] = GENERATE(table<std::string, std::string>({
      {"", ""},
      {"Zg==", "f"},
      {"Zm8=", "fo"},
      {"Zm9v", "foo"},
      {"Zm9vYg==", "foob"},
      {"Zm9vYmE=", "fooba"},
      {"Zm9vYmFy", "foobar"},
      {"Zg", "f"},
      {"Zm8", "fo"},
      {"+/8=", "\xFB\xFF"},
      {"-_8=", "\xFB\xFF"},
      {"+_8", "\xFB\xFF"},
  }));
  CAPTURE(text);
  Octets out;
  CHECK(refusal(pki::decode_base64(text, out)) == "accepted");
  CHECK(out == test::text(decoded));
}

// Several spellings of one request would be several entries of a cache; and a decoder that skips
// what it does not know lets a request hide.
TEST_CASE("bytes: base64 refuses every second spelling", "[bytes]") {
  const auto [text, error] = GENERATE(table<std::string, std::string>({
      {"A", "bad_base64@1 base64"},      // 6 bits are no octet
      {"Zg=", "bad_base64@2 base64"},    // half the padding
      {"Zg===", "bad_base64@2 base64"},  // too much
      {"Zm9v=", "bad_base64@4 base64"},  // where none belongs
      {"=", "bad_base64@0 base64"},      // nothing but
      {"Zh==", "bad_base64@1 base64"},   // unused bits that are not zero
      {"Zm9=", "bad_base64@2 base64"},   //
      {"Zg=v", "bad_base64@3 base64"},   // in the middle
      {"Zm 9", "bad_base64@2 base64"},   // blank
      {"Zm9v\nZm9", "bad_base64@4 base64"},
      {"Zm9v\xC3\xA4==", "bad_base64@4 base64"},
      {"Zm9%2B", "bad_base64@3 base64"},  // the percent sign is the business of the URL
  }));
  CAPTURE(text);
  Octets out;
  CHECK(refusal(pki::decode_base64(text, out)) == error);
}

TEST_CASE("bytes: base64 agrees with OpenSSL on random data", "[bytes]") {
  std::mt19937_64 random(1);
  for (std::size_t size = 0; size < 200; ++size) {
    Octets data(size);
    for (std::uint8_t& octet : data) octet = static_cast<std::uint8_t>(random());
    std::string expected((size + 2) / 3 * 4 + 1, '\0');
    expected.resize(static_cast<std::size_t>(EVP_EncodeBlock(
        reinterpret_cast<unsigned char*>(expected.data()), data.data(), static_cast<int>(size))));
    REQUIRE(pki::to_base64(data) == expected);
    Octets back{0x42};  // decode appends
    REQUIRE(pki::decode_base64(expected, back));
    back.erase(back.begin());
    REQUIRE(back == data);
  }
}
