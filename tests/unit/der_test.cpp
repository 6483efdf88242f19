#include "libpki/der.hpp"

#include <catch2/catch.hpp>
#include <random>

#include "tests/support/der_builder.hpp"
#include "tests/support/result.hpp"

using pki::der::Reader;
using pki::der::Tag;
using test::hex;
using test::Octets;
using test::refusal;

TEST_CASE("der: an element is seen whole and without its header", "[der]") {
  const Octets der = hex("04 02 AB CD  05 00");  // OCTET STRING abcd, NULL
  Reader reader(der);
  const auto element = reader.any("first");
  REQUIRE(element);
  CHECK(element->tag == Tag::octet_string);
  CHECK(pki::to_hex(element->whole) == "0402abcd");
  CHECK(pki::to_hex(element->content) == "abcd");
  CHECK(reader.offset() == 4);
  CHECK(reader.next_is(Tag::null));
  REQUIRE(reader.any("second"));
  CHECK(reader.empty());
  CHECK(refusal(reader.finish("end")) == "accepted");
}

// X.690 8.1.2 and 8.1.3, restricted by 10.1.
TEST_CASE("der: tags and lengths have one form", "[der]") {
  const auto [der, outcome] = GENERATE(table<std::string, std::string>({
      {"", "truncated@0 x"},
      {"30", "truncated@1 x"},                              // no length
      {"30 01", "truncated@2 x"},                           // no content
      {"30 00", "accepted"},                                //
      {"04 03 01 02", "truncated@4 x"},                     // one octet short
      {"1F 81 01 00", "high_tag_number@0 x"},               // tag number 129
      {"BF 1F 00", "high_tag_number@0 x"},                  // [31]
      {"30 80 00 00", "indefinite_length@1 x"},             // BER
      {"04 81 01 00", "non_minimal_length@1 x"},            // 1 fits into the short form
      {"04 81 7F", "non_minimal_length@1 x"},               // so does 127
      {"04 82 00 80", "non_minimal_length@1 x"},            // 128 fits into one octet
      {"04 81", "truncated@2 x"},                           // length of length, no length
      {"04 82 01", "truncated@3 x"},                        //
      {"04 88 7F FF FF FF FF FF FF FF", "truncated@10 x"},  // 2^63 - 1: read, but not there
      {"04 88 80 00 00 00 00 00 00 00", "length_too_large@1 x"},
      {"04 88 FF FF FF FF FF FF FF FF", "length_too_large@1 x"},
      {"04 89 01 00 00 00 00 00 00 00 00", "length_too_large@1 x"},
      {"04 FF 00", "length_too_large@1 x"},  // 127 octets of length; reserved
  }));
  CAPTURE(der);
  const Octets octets = hex(der);
  Reader reader(octets);
  CHECK(refusal(reader.any("x")) == outcome);
}

TEST_CASE("der: lengths around each width are read to the octet", "[der]") {
  const auto size =
      GENERATE(values<std::size_t>({0, 1, 127, 128, 255, 256, 65535, 65536, 1 << 20}));
  const Octets content(size, 0x5A);
  Octets der = test::octet_string(content);
  Reader whole(der);
  const auto element = whole.read(Tag::octet_string, "x");
  REQUIRE(element);
  CHECK(element->content.size() == size);
  CHECK(whole.empty());

  der.pop_back();
  Reader shorter(der);
  CHECK(test::code(shorter.any("x")) == "truncated");
}

// Callers try one thing and then another; a half-eaten input would make them read from the middle.
TEST_CASE("der: after an error the reader is where it was", "[der]") {
  const Octets der = hex("02 01 05 04 05 00");  // INTEGER 5, then an OCTET STRING cut off
  Reader reader(der);
  CHECK(refusal(reader.read(Tag::sequence, "x")) == "bad_tag@0 x");
  CHECK(reader.offset() == 0);
  REQUIRE(reader.read(Tag::integer, "x"));
  CHECK(refusal(reader.any("y")) == "truncated@6 y");
  CHECK(reader.offset() == 3);
  CHECK(refusal(reader.read_optional(Tag::octet_string, "y")) == "truncated@6 y");
  CHECK(refusal(reader.enter(Tag::octet_string, "y")) == "truncated@6 y");
  CHECK(reader.offset() == 3);
}

TEST_CASE("der: an optional element that is absent consumes nothing", "[der]") {
  const Octets der = hex("02 01 05");
  Reader reader(der);
  const auto absent = reader.read_optional(Tag::boolean, "x");
  REQUIRE(absent);
  CHECK_FALSE(absent->has_value());
  const auto present = reader.read_optional(Tag::integer, "x");
  REQUIRE(present);
  CHECK(present->has_value());
  const auto at_end = reader.read_optional(Tag::integer, "x");
  REQUIRE(at_end);
  CHECK_FALSE(at_end->has_value());
}

TEST_CASE("der: offsets inside nested elements count from the outermost input", "[der]") {
  const Octets der = hex("30 06  30 04  02 01 05  00");  // the last octet is one too many
  Reader outer(der);
  auto middle = outer.enter(Tag::sequence, "outer");
  REQUIRE(middle);
  auto inner = middle->enter(Tag::sequence, "middle");
  REQUIRE(inner);
  REQUIRE(inner->read(Tag::integer, "number"));
  CHECK(refusal(inner->finish("inner")) == "trailing_data@7 inner");
  CHECK(refusal(inner->read(Tag::null, "inner")) == "bad_tag@7 inner");
  CHECK(refusal(middle->read(Tag::null, "middle")) == "truncated@8 middle");
}

// A length inside must be compared with its parent's end, not with the end of the input.
TEST_CASE("der: an element may not reach over the end of its parent", "[der]") {
  const Octets der = hex("30 03  04 05 01  02 03 04 05");
  Reader outer(der);
  auto inner = outer.enter(Tag::sequence, "outer");
  REQUIRE(inner);
  CHECK(refusal(inner->any("inner")) == "truncated@5 inner");
}

namespace {

// Reads one element and hands it to a reader of a simple type.
template <class Read>
std::string simple(const std::string& der, Read read) {
  const Octets octets = test::concat({hex("05 00"), hex(der)});  // so that the offset is not zero
  Reader reader(octets);
  REQUIRE(reader.any("NULL"));
  const auto element = reader.any("x");
  REQUIRE(element);
  return refusal(read(reader, *element, "x"));
}

}  // namespace

TEST_CASE("der: simple types have one encoding", "[der]") {  // X.690 section 8 and 11
  using namespace pki::der;
  SECTION("BOOLEAN (11.1)") {
    CHECK(simple("01 01 00", boolean) == "accepted");
    CHECK(simple("01 01 FF", boolean) == "accepted");
    CHECK(simple("01 01 01", boolean) == "bad_boolean@2 x");
    CHECK(simple("01 00", boolean) == "bad_boolean@2 x");
    CHECK(simple("01 02 FF FF", boolean) == "bad_boolean@2 x");
  }
  SECTION("INTEGER (8.3.2)") {
    for (const char* good : {"02 01 00", "02 01 7F", "02 01 80", "02 01 FF", "02 02 00 80",
                             "02 02 FF 7F", "02 02 01 00"}) {
      CHECK(simple(good, integer) == "accepted");
    }
    for (const char* bad : {"02 00", "02 02 00 7F", "02 02 FF 80", "02 02 00 00", "02 02 FF FF"}) {
      CHECK(simple(bad, integer) == "bad_integer@2 x");
    }
  }
  SECTION("BIT STRING (8.6.2, 11.2.1)") {
    for (const char* good : {"03 01 00", "03 02 00 FF", "03 02 07 80", "03 03 04 FF F0"}) {
      CHECK(simple(good, bit_string) == "accepted");
    }
    for (const char* bad : {"03 00", "03 01 01", "03 02 08 00", "03 02 07 C0", "03 02 01 01"}) {
      CHECK(simple(bad, bit_string) == "bad_bit_string@2 x");
    }
    CHECK(simple("03 02 07 80", octets_of_bit_string) == "bad_bit_string@2 x");
  }
  SECTION("OBJECT IDENTIFIER (8.19.2)") {
    CHECK(simple("06 03 55 1D 14", oid) == "accepted");
    CHECK(simple("06 03 2A 81 00", oid) == "accepted");  // a zero inside a sub-identifier
    CHECK(simple("06 00", oid) == "bad_oid@2 x");
    CHECK(simple("06 02 2A 81", oid) == "bad_oid@2 x");     // ends in the middle
    CHECK(simple("06 03 2A 80 01", oid) == "bad_oid@2 x");  // begins with a padding octet
    CHECK(simple("06 01 80", oid) == "bad_oid@2 x");
  }
  SECTION("NULL (8.8)") {
    CHECK(simple("05 00", null) == "accepted");
    CHECK(simple("05 01 00", null) == "bad_null@2 x");
  }
}

TEST_CASE("der: small integers keep to their range", "[der]") {
  const auto [der, max, outcome, value] =
      GENERATE(table<std::string, unsigned, std::string, unsigned>({
          {"02 01 00", 0, "accepted", 0},
          {"02 01 01", 0, "integer_out_of_range@0 x", 0},
          {"02 02 00 FF", 255, "accepted", 255},
          {"02 02 01 00", 255, "integer_out_of_range@0 x", 0},
          {"02 01 FF", 255, "integer_out_of_range@0 x", 0},  // -1
          {"02 04 7F FF FF FF", 0x7FFFFFFF, "accepted", 0x7FFFFFFF},
          {"02 05 01 00 00 00 05", 0x7FFFFFFF, "integer_out_of_range@0 x", 0},  // 2^32 + 5 is not 5
          {"02 02 00 05", 255, "bad_integer@0 x", 0},
      }));
  CAPTURE(der, max);
  const Octets octets = hex(der);
  Reader reader(octets);
  const auto element = reader.any("x");
  REQUIRE(element);
  const auto number = pki::der::small_integer(reader, *element, max, "x");
  CHECK(refusal(number) == outcome);
  if (number) CHECK(*number == value);
}

TEST_CASE("der: bit 0 is the most significant, and bits past the end are zero", "[der]") {
  const Octets der = hex("03 03 05 82 20");  // 1000 0010 001
  Reader reader(der);
  const auto element = reader.any("x");
  REQUIRE(element);
  const auto bits = pki::der::bit_string(reader, *element, "x");
  REQUIRE(bits);
  std::string set;
  for (std::size_t i = 0; i < 100; ++i) {
    if (bits->bit(i)) set += std::to_string(i) + " ";
  }
  CHECK(set == "0 6 10 ");
}

// Whatever the bytes are, the reader stays inside them and what it accepts is what it was given.
TEST_CASE("der: elements of random bytes lie inside the input, one after the other", "[der]") {
  std::mt19937_64 random(2);
  for (int round = 0; round < 20000; ++round) {
    Octets data(random() % 24);
    for (std::uint8_t& octet : data) {
      octet = static_cast<std::uint8_t>(random() % 4 == 0 ? random() : random() % 8);
    }
    Reader reader(data);
    std::size_t at = 0;
    while (const auto element = reader.any("x")) {
      REQUIRE(element->whole.data() == data.data() + at);
      REQUIRE(element->content.data() + element->content.size() ==
              element->whole.data() + element->whole.size());
      REQUIRE(test::tlv(data[at], pki::to_vector(element->content)) ==
              pki::to_vector(element->whole));
      at += element->whole.size();
      REQUIRE(reader.offset() == at);
    }
  }
}
