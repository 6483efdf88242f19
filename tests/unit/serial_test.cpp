#include "libpki/serial.hpp"

#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <set>

#include "tests/support/openssl.hpp"
#include "tests/support/result.hpp"

using pki::SerialKey;
using test::hex;
using test::Octets;
using test::refusal;

namespace {

pki::Result<pki::Bytes> read(const Octets& der) {
  pki::der::Reader reader(der);
  return pki::read_serial(reader, "serial");
}

// DER content octets of random width and sign, shortest form, at most 20 octets of magnitude.
Octets random_serial(std::mt19937_64& random) {
  Octets content(1 + random() % 20);
  for (std::uint8_t& octet : content) {
    octet = static_cast<std::uint8_t>(random() % 3 == 0 ? random() % 2 * 0xFF : random());
  }
  while (content.size() > 1 && (content[0] == 0x00 || content[0] == 0xFF) &&
         (content[0] & 0x80) == (content[1] & 0x80)) {
    content.erase(content.begin());
  }
  if (random() % 8 == 0 && content.size() == 20 && content[0] >= 0x80) {
    content.insert(content.begin(), 0x00);  // twenty octets that stay positive
  }
  return content;
}

// Every width and sign at its edges.
std::vector<Octets> edge_serials() {
  std::vector<Octets> out;
  for (std::size_t size = 1; size <= 20; ++size) {
    for (const unsigned first : {0x00U, 0x01U, 0x7FU, 0x80U, 0x81U, 0xFEU, 0xFFU}) {
      for (const unsigned rest : {0x00U, 0x01U, 0x7FU, 0x80U, 0xFFU}) {
        Octets content(size, static_cast<std::uint8_t>(rest));
        content[0] = static_cast<std::uint8_t>(first);
        const bool padded =
            size > 1 && (first == 0x00 || first == 0xFF) && (first & 0x80) == (rest & 0x80);
        if (!padded) out.push_back(content);
        if (size == 20 && first >= 0x80) out.push_back(test::concat({hex("00"), content}));
      }
    }
  }
  return out;
}

}  // namespace

// RFC 5280 4.1.2.2: at most 20 octets; be graceful with zero and negative ones.
TEST_CASE("serial: up to twenty octets, any sign, shortest form", "[serial]") {
  CHECK(refusal(read(hex("02 01 00"))) == "accepted");
  CHECK(refusal(read(hex("02 01 FF"))) == "accepted");
  CHECK(refusal(read(test::integer_of(Octets(20, 0x7F)))) == "accepted");
  CHECK(refusal(read(test::integer_of(Octets(20, 0x80)))) == "accepted");
  const Octets positive = test::concat({hex("00"), Octets(20, 0xFF)});
  CHECK(refusal(read(test::integer_of(positive))) == "accepted");
  CHECK(refusal(read(test::integer_of(Octets(21, 0x01)))) == "serial_too_long@0 serial");
  CHECK(refusal(read(test::integer_of(Octets(21, 0x80)))) == "serial_too_long@0 serial");
  CHECK(refusal(read(test::integer_of(test::concat({hex("00"), Octets(21, 0xFF)})))) ==
        "serial_too_long@0 serial");
  CHECK(refusal(read(hex("02 00"))) == "bad_integer@0 serial");
  CHECK(refusal(read(hex("02 02 00 01"))) == "bad_integer@0 serial");
  CHECK(refusal(read(hex("04 01 01"))) == "bad_tag@0 serial");
}

// Were two serials to share a key, one's revocation would be the other's.
TEST_CASE("serial: keys and serials are one to one", "[serial]") {
  std::vector<Octets> serials = edge_serials();
  std::mt19937_64 random(4);
  for (int i = 0; i < 100'000; ++i) serials.push_back(random_serial(random));

  std::map<std::tuple<std::uint8_t, std::uint64_t, std::array<std::uint8_t, 12>>, Octets> seen;
  for (const Octets& serial : serials) {
    const SerialKey key = SerialKey::from_der(serial);
    REQUIRE(key.group < SerialKey::kGroupCount);
    REQUIRE(key.to_der() == serial);
    const auto [place, is_new] = seen.try_emplace({key.group, key.lead, key.tail}, serial);
    REQUIRE(place->second == serial);
  }
}

TEST_CASE("serial: the group tells sign and width", "[serial]") {
  const auto [serial, group] = GENERATE(table<Octets, unsigned>({
      {hex("00"), 0},
      {hex("7F"), 0},
      {hex("00FF"), 0},                  // 255
      {hex("FF"), 13},                   // -1 ends in FF too
      {hex("80"), 13},                   //
      {hex("00 FFFFFFFFFFFFFFFF"), 0},   // 2^64 - 1
      {hex("01 0000000000000000"), 1},   // 2^64
      {hex("8000000000000000"), 13},     // -2^63
      {hex("FF 7FFFFFFFFFFFFFFF"), 14},  // -2^63 - 1
      {test::concat({hex("00"), Octets(20, 0xFF)}), 12},
      {Octets(20, 0x80), 25},
  }));
  CAPTURE(pki::to_hex(serial));
  CHECK(SerialKey::from_der(serial).group == group);
}

// A fence over evenly spread keys is what makes a lookup one step (index_format.md).
TEST_CASE("serial: running counters and common prefixes spread evenly", "[serial]") {
  const int pattern = GENERATE(0, 1, 2);
  std::vector<unsigned> buckets(256);
  constexpr unsigned kCount = 256 * 256;
  for (unsigned i = 0; i < kCount; ++i) {
    Octets serial = test::integer(i);
    serial.erase(serial.begin(), serial.begin() + 2);  // content only
    if (pattern == 1) serial = test::concat({hex("01 00000000 0000"), hex("0000")});
    if (pattern == 1) {
      serial[7] = static_cast<std::uint8_t>(i >> 8);
      serial[8] = static_cast<std::uint8_t>(i);
    }
    if (pattern == 2) {  // the counter in front, a constant behind
      serial = Octets(20, 0x55);
      serial[1] = static_cast<std::uint8_t>(i >> 8);
      serial[2] = static_cast<std::uint8_t>(i);
    }
    ++buckets[SerialKey::from_der(serial).lead >> 56];
  }
  // 256 a bucket on average, standard deviation 16: six of them.
  for (const unsigned count : buckets) {
    REQUIRE(count > 160);
    REQUIRE(count < 352);
  }
}

TEST_CASE("serial: text is OpenSSL's, in lower case", "[serial]") {
  std::vector<Octets> serials = edge_serials();
  std::mt19937_64 random(5);
  for (int i = 0; i < 5'000; ++i) serials.push_back(random_serial(random));
  for (const Octets& serial : serials) {
    std::string expected = test::integer_hex(serial);
    std::transform(expected.begin(), expected.end(), expected.begin(),
                   [](char c) { return static_cast<char>(std::tolower(c)); });
    REQUIRE(pki::serial_to_string(serial) == (expected == "0" ? "00" : expected));
  }
}

TEST_CASE("serial: text is read back, as people write it", "[serial]") {
  const auto [text, content] = GENERATE(table<std::string, Octets>({
      {"0", hex("00")},
      {"-0", hex("00")},
      {"00ff", hex("00FF")},
      {"FF", hex("00FF")},
      {"0xff", hex("00FF")},
      {"01:32:C4:AB", hex("0132C4AB")},
      {"-01", hex("FF")},
      {"-0x80", hex("80")},
      {"-81", hex("FF7F")},
      {"7", hex("07")},
      {"ffffffffffffffffffffffffffffffffffffffff", test::concat({hex("00"), Octets(20, 0xFF)})},
      {"000000000000000000000000000000000000000000000001", hex("01")},
  }));
  CAPTURE(text);
  const auto result = pki::serial_from_string(text);
  REQUIRE(result);
  CHECK(*result == content);
}

TEST_CASE("serial: text that is no serial is refused", "[serial]") {
  const auto [text, error] = GENERATE(table<std::string, std::string>({
      {"", "bad_integer@0 serial"},
      {"-", "bad_integer@0 serial"},
      {"0x", "bad_integer@0 serial"},
      {":", "bad_integer@0 serial"},
      {"--1", "bad_integer@0 serial"},
      {"12g4", "bad_integer@0 serial"},
      {"1 2", "bad_integer@0 serial"},
      {"010000000000000000000000000000000000000000", "serial_too_long@0 serial"},
      {"-ffffffffffffffffffffffffffffffffffffffff", "serial_too_long@0 serial"},
  }));
  CAPTURE(text);
  CHECK(refusal(pki::serial_from_string(text)) == error);
}

TEST_CASE("serial: text and content octets are inverse", "[serial]") {
  std::mt19937_64 random(6);
  for (int i = 0; i < 5'000; ++i) {
    const Octets serial = random_serial(random);
    const auto back = pki::serial_from_string(pki::serial_to_string(serial));
    REQUIRE(back);
    REQUIRE(*back == serial);
  }
}
