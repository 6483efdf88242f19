#include "libpki/bytes.hpp"

#include <array>
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

// RFC 7515 appendix C.
TEST_CASE("bytes: base64url without padding, as JOSE has it", "[bytes]") {
  const Octets octets{3, 236, 255, 224, 193};
  CHECK(pki::to_base64url(octets) == "A-z_4ME");
  CHECK(pki::to_base64url({}).empty());
  CHECK(pki::to_base64url(Octets{0xFF}) == "_w");
  Octets out;
  REQUIRE(pki::decode_base64url("A-z_4ME", out));
  CHECK(out == octets);
  CHECK(refusal(pki::decode_base64url("_w==", out)) == "bad_base64@2 base64url");
  CHECK(refusal(pki::decode_base64url("/w", out)) == "bad_base64@0 base64url");
  CHECK(refusal(pki::decode_base64url("A+z_", out)) == "bad_base64@1 base64url");
  CHECK(refusal(pki::decode_base64url("_x", out)) == "bad_base64@1 base64");  // bits left over
  CHECK(refusal(pki::decode_base64url("_w\n", out)) == "bad_base64@2 base64");
}

TEST_CASE("bytes: equality in constant time is equality", "[bytes]") {
  const Octets a{1, 2, 3};
  CHECK(pki::equal_in_constant_time(a, Octets{1, 2, 3}));
  CHECK(pki::equal_in_constant_time({}, {}));
  for (const Octets& b : {Octets{1, 2, 2}, Octets{0, 2, 3}, Octets{1, 2}, Octets{1, 2, 3, 0}}) {
    CHECK_FALSE(pki::equal_in_constant_time(a, b));
  }
}

// Every code point by OpenSSL's encoder, and the octets around it that are none.
TEST_CASE("bytes: UTF-8 is counted as OpenSSL writes it", "[bytes]") {
  std::size_t wrong = 0;
  for (unsigned long point = 0; point <= 0x110000; ++point) {
    std::array<unsigned char, 6> octets{};
    // OpenSSL's own range ends where RFC 3629's does, but its surrogates must be left out here.
    const int size = UTF8_putc(octets.data(), octets.size(), point);
    const std::string_view text(reinterpret_cast<const char*>(octets.data()),
                                size > 0 ? static_cast<std::size_t>(size) : 0);
    const bool is_scalar = point <= 0x10FFFF && (point < 0xD800 || point > 0xDFFF);
    const auto count = pki::count_code_points(text);
    const bool is_right = is_scalar ? count == 1U : (size <= 0 || !count);
    wrong += is_right ? 0 : 1;
    if (is_scalar && size > 1) {
      wrong += pki::count_code_points(text.substr(0, text.size() - 1)) ? 1U : 0U;
      wrong += pki::count_code_points(text.substr(1)) ? 1U : 0U;
    }
  }
  CHECK(wrong == 0);
  CHECK(pki::count_code_points("") == 0U);
  CHECK(pki::count_code_points("a確𠮷\xF3\xA0\x84\x80") == 4U);
  for (const std::string text :
       {"\x80", "\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF",
        "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFE", "a\xE7\xA2\xBA\xE7"}) {
    CHECK_FALSE(pki::count_code_points(text));
  }
}
