#include "libpki/der_writer.hpp"

#include <catch2/catch.hpp>

#include "libpki/oid.hpp"
#include "tests/support/der_builder.hpp"

using pki::der::Tag;
using pki::der::Writer;
using test::hex;
using test::Octets;

TEST_CASE("der_writer: writes what the ASN.1 says, octet for octet", "[der_writer]") {
  Writer writer;
  writer.sequence([&] {
    writer.boolean_true();
    writer.null();
    writer.oid(pki::oid::crl_number);
    writer.octet_string(Octets{0xAB, 0xCD});
    writer.bit_string(Octets{0x01});
    writer.constructed(pki::der::context_constructed(2), [&] { writer.raw(Octets{0x05, 0x00}); });
    writer.primitive(pki::der::context(0), {});
  });
  CHECK(writer.take() == hex("30 18"           // SEQUENCE of 24
                             "01 01 FF"        // TRUE
                             "05 00"           // NULL
                             "06 03 55 1D 14"  // 2.5.29.20
                             "04 02 AB CD"     // OCTET STRING
                             "03 02 00 01"     // BIT STRING, no unused bits
                             "A2 02 05 00"     // [2] { NULL }
                             "80 00"));        // [0] IMPLICIT NULL
}

// Closing a long value moves its content to make room for the length; nothing may be lost.
TEST_CASE("der_writer: lengths grow in place around every width", "[der_writer]") {
  const auto size =
      GENERATE(values<std::size_t>({0, 1, 127, 128, 129, 255, 256, 257, 65535, 65536, 1 << 18}));
  Octets content(size);
  for (std::size_t i = 0; i < size; ++i) content[i] = static_cast<std::uint8_t>(i * 7);

  Writer writer;
  writer.octet_string(content);
  CHECK(writer.take() == test::octet_string(content));

  writer.sequence([&] {
    writer.constructed(Tag::set, [&] { writer.octet_string(content); });
    writer.null();
  });
  CHECK(writer.take() ==
        test::sequence({test::tlv(0x31, {test::octet_string(content)}), test::null()}));
  writer.bit_string(content);
  CHECK(writer.take() == test::bit_string(content));
}

TEST_CASE("der_writer: unsigned integers are in the shortest form and never negative",
          "[der_writer]") {
  const auto [magnitude, der] = GENERATE(table<std::string, std::string>({
      {"", "02 01 00"},
      {"00", "02 01 00"},
      {"00 00", "02 01 00"},
      {"7F", "02 01 7F"},
      {"80", "02 02 00 80"},
      {"00 00 80", "02 02 00 80"},
      {"01 00", "02 02 01 00"},
      {"FF FF", "02 03 00 FF FF"},
  }));
  CAPTURE(magnitude);
  Writer writer;
  writer.unsigned_integer(hex(magnitude));
  CHECK(writer.take() == hex(der));
}

TEST_CASE("der_writer: a cleared writer starts anew", "[der_writer]") {
  Writer writer;
  writer.null();
  writer.clear();
  CHECK(writer.bytes().empty());
  writer.boolean_true();
  CHECK(pki::to_hex(writer.bytes()) == "0101ff");
}
