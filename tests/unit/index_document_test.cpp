// index_document_test.cpp: libpki/index_format.md shows the file that the code writes.
#include <catch2/catch.hpp>
#include <regex>

#include "libpki/serial.hpp"
#include "tests/support/fixtures.hpp"
#include "tests/support/index_builder.hpp"

using namespace test;

namespace {

// The three entries of the document.
std::vector<Listed> documented_entries() {
  return {{hex("01"), at(2026, 1, 15, 9, 30), pki::Reason::key_compromise},
          {hex("0132C4AB"), at(2026, 1, 16), pki::Reason::absent},
          {hex("0102030405060708090A0B0C0D0E0F1011121314"), at(2026, 1, 17),
           pki::Reason::certificate_hold}};
}

// "0040  00 11 22 … (16 octets)  what it is": the rows of the document's hexdump. Rows of zeros are
// left out there.
Octets documented_file(std::size_t size) {
  const std::string document = source_text("libpki/index_format.md");
  const std::regex row("(?:^|\n)([0-9a-f]{4})  ((?:[0-9a-f]{2} +){15}[0-9a-f]{2})");
  Octets file(size);
  for (std::sregex_iterator i(document.begin(), document.end(), row), end; i != end; ++i) {
    const std::size_t offset = std::stoul((*i)[1], nullptr, 16);
    const Octets octets = hex((*i)[2].str());
    REQUIRE(offset + octets.size() <= size);
    std::copy(octets.begin(), octets.end(), file.begin() + static_cast<std::ptrdiff_t>(offset));
  }
  return file;
}

}  // namespace

// The document is what an operator with a broken file at three in the morning has.
TEST_CASE("index: the hexdump in index_format.md is the file that the code writes", "[index]") {
  const BuiltIndex built = build_index(documented_entries());
  const Octets documented = documented_file(built.file.size());
  for (std::size_t i = 0; i < built.file.size(); i += 16) {
    const auto row_of = [i](const Octets& file) {
      return pki::to_hex(pki::Bytes(file).subspan(i, 16));
    };
    CAPTURE(i);
    CHECK(row_of(documented) == row_of(built.file));
  }
  const auto index = pki::Index::open(documented);
  REQUIRE(refusal(index) == "accepted");
  for (const Listed& entry : documented_entries()) {
    CHECK(index->lookup(pki::SerialKey::from_der(entry.serial)) ==
          pki::Revocation{entry.date, entry.reason});
  }
}

// The vectors of the mixing function as the document gives them: it can't change within a version.
TEST_CASE("index: the mixing function has the values that index_format.md gives", "[index]") {
  const std::string document = source_text("libpki/index_format.md");
  const std::regex row("\n\\| `(-?[0-9a-f]+)` \\| ([0-9]+) \\| `([0-9a-f]{16})` \\|");
  std::size_t rows = 0;
  for (std::sregex_iterator i(document.begin(), document.end(), row), end; i != end; ++i, ++rows) {
    const auto serial = pki::serial_from_string((*i)[1].str());
    REQUIRE(serial);
    const pki::SerialKey key = pki::SerialKey::from_der(*serial);
    CAPTURE((*i)[1].str());
    CHECK(key.group == std::stoul((*i)[2]));
    CHECK(key.lead == std::stoull((*i)[3], nullptr, 16));
  }
  CHECK(rows == 5);
}
