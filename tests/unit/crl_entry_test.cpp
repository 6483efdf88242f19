// crl_entry_test.cpp: the entries of a list: read_entry, read_usual_entry and for_each_entry.
#include <catch2/catch.hpp>
#include <random>

#include "libpki/crl.hpp"
#include "tests/support/crl_builder.hpp"
#include "tests/support/result.hpp"

using namespace test;
using pki::CrlEntry;
using pki::Reason;

namespace {

const Octets kDate = utc_time("260115093000Z");

// The walk over a list of these entries: "2 entries", or the refusal.
std::string walk(std::initializer_list<Octets> entries) {
  const Octets der = CrlParts{}.with_entries(entries).build();
  const auto crl = pki::parse_crl(der);
  REQUIRE(refusal(crl) == "accepted");
  const auto count = pki::for_each_entry(*crl, [](const CrlEntry&) {});
  return count ? std::to_string(*count) + " entries" : std::string(code(count));
}

std::string entry_with(std::initializer_list<Octets> extensions) {
  return walk({crl_entry(hex("01"), kDate, extensions)});
}

}  // namespace

TEST_CASE("crl: RFC 5280 5.1.2.6, serial and date of an entry", "[crl]") {
  SECTION("serials: any sign, up to twenty octets") {
    CHECK(walk({crl_entry(hex("00"), kDate), crl_entry(hex("FF"), kDate),
                crl_entry(Octets(20, 0x80), kDate),
                crl_entry(concat({hex("00"), Octets(20, 0xFF)}), kDate)}) == "4 entries");
    CHECK(walk({crl_entry(Octets(21, 0x01), kDate)}) == "serial_too_long");
    CHECK(walk({crl_entry(Octets(200, 0x01), kDate)}) == "serial_too_long");
    CHECK(walk({crl_entry({}, kDate)}) == "bad_integer");
    CHECK(walk({crl_entry(hex("00 01"), kDate)}) == "bad_integer");
    CHECK(walk({crl_entry(hex("FF FF"), kDate)}) == "bad_integer");
  }
  SECTION("dates: both types, and what four bytes hold") {
    CHECK(walk({crl_entry(hex("01"), utc_time("500101000000Z"))}) == "1 entries");
    CHECK(walk({crl_entry(hex("01"), generalized_time("20500101000000Z"))}) == "1 entries");
    CHECK(walk({crl_entry(hex("01"), generalized_time("20860206062815Z"))}) == "1 entries");
    CHECK(walk({crl_entry(hex("01"), generalized_time("20860206062816Z"))}) == "time_out_of_range");
    CHECK(walk({crl_entry(hex("01"), generalized_time("20260115093000Z"))}) == "wrong_time_type");
    CHECK(walk({crl_entry(hex("01"), utc_time("260115093060Z"))}) == "bad_time");
    CHECK(walk({crl_entry(hex("01"), integer(1))}) == "bad_tag");
    CHECK(walk({sequence({integer(1)})}) == "truncated");
  }
  SECTION("shape") {
    CHECK(walk({integer(1)}) == "bad_tag");
    CHECK(walk({sequence({integer(1), kDate, null()})}) == "bad_tag");
    CHECK(walk({sequence({integer(1), kDate, sequence({reason_code(1)}), null()})}) ==
          "trailing_data");
    CHECK(walk({hex("30 81 12 02 01 01 17 0D 323630313135303933303030 5A")}) ==
          "non_minimal_length");
    CHECK(walk({hex("30 80")}) == "indefinite_length");
  }
}

TEST_CASE("crl: RFC 5280 5.3, the extensions of an entry", "[crl]") {
  SECTION("5.3.1 reasonCode") {
    for (const unsigned reason : {0U, 1U, 2U, 3U, 4U, 5U, 6U, 9U, 10U}) {
      CHECK(entry_with({reason_code(reason)}) == "1 entries");
    }
    for (const unsigned reason : {7U, 8U, 11U, 127U, 128U, 255U}) {
      CHECK(entry_with({reason_code(reason)}) == "bad_reason");
    }
    CHECK(entry_with({extension("2.5.29.21", hex("0A 02 01 00"))}) == "bad_reason");
    CHECK(entry_with({extension("2.5.29.21", hex("0A 02 00 01"))}) == "bad_integer");
    CHECK(entry_with({extension("2.5.29.21", hex("0A 00"))}) == "bad_integer");
    CHECK(entry_with({extension("2.5.29.21", integer(1))}) == "bad_tag");
    CHECK(entry_with({extension("2.5.29.21", hex("0A 01 01 00"))}) == "trailing_data");
    CHECK(entry_with({critical_extension("2.5.29.21", enumerated(1))}) == "1 entries");
    CHECK(entry_with({reason_code(1), reason_code(1)}) == "duplicate_extension");
  }
  SECTION("5.3.2 invalidityDate: GeneralizedTime of any year") {
    CHECK(entry_with({extension("2.5.29.24", generalized_time("20251224180000Z"))}) == "1 entries");
    CHECK(entry_with({extension("2.5.29.24", utc_time("251224180000Z"))}) == "bad_tag");
    CHECK(entry_with({extension("2.5.29.24", generalized_time("20251224180000.5Z"))}) ==
          "bad_time");
  }
  SECTION("5.3.3 certificateIssuer: the entry of somebody else") {
    CHECK(entry_with({critical_extension("2.5.29.29", sequence({}))}) == "indirect_crl");
    CHECK(entry_with({extension("2.5.29.29", sequence({}))}) == "indirect_crl");
  }
  SECTION("others") {
    CHECK(entry_with({extension("2.5.29.23", null())}) == "1 entries");  // holdInstructionCode
    CHECK(entry_with({critical_extension("1.2.3.4", null())}) == "unknown_critical_extension");
    CHECK(entry_with({}) == "empty_sequence");
    CHECK(entry_with({sequence({oid("2.5.29.21"), boolean(false), octet_string(enumerated(1))})}) ==
          "default_encoded");
  }
}

// RFC 5280 5.3.1: removeFromCRL takes a serial off the list that a delta is based on.
TEST_CASE("crl: removeFromCRL stands in deltas only", "[crl]") {
  CrlParts parts = CrlParts{}.with_entries({crl_entry(hex("01"), kDate, {reason_code(1)}),
                                            crl_entry(hex("02"), kDate, {reason_code(8)}),
                                            crl_entry(hex("03"), kDate)});
  const auto reasons_in = [](const CrlParts& list) {
    const Octets der = list.build();
    const auto crl = pki::parse_crl(der);
    REQUIRE(refusal(crl) == "accepted");
    std::string text;
    const auto count = pki::for_each_entry(*crl, [&](const CrlEntry& entry) {
      text.append(pki::to_string(entry.reason)).append(" ");
    });
    return text + (count ? "" : std::string(code(count)));
  };
  CHECK(reasons_in(parts) == "keyCompromise bad_reason");
  const Octets number = extension("2.5.29.20", integer(5));
  parts.extensions = CrlParts::extensions_of({number, critical_extension("2.5.29.27", integer(4))});
  CHECK(reasons_in(parts) == "keyCompromise removeFromCRL none ");
  for (const unsigned reason : {7U, 11U, 255U}) {  // these in neither
    parts = parts.with_entries({crl_entry(hex("01"), kDate, {reason_code(reason)})});
    CHECK(reasons_in(parts) == "bad_reason");
  }
}

// RFC 5280 5.3: who does not know a critical entry extension must not use the list at all. To stop
// at the serial one looks for would answer from a list that has to be thrown away.
TEST_CASE("crl: critical entry extension after a match voids the whole list", "[crl]") {
  const Octets der =
      CrlParts{}
          .with_entries({crl_entry(hex("01"), kDate), crl_entry(hex("02"), kDate, {reason_code(1)}),
                         crl_entry(hex("03"), kDate, {critical_extension("1.2.3.4", null())})})
          .build();
  const auto crl = pki::parse_crl(der);
  REQUIRE(crl);
  std::vector<std::string> visited;
  const auto result = pki::for_each_entry(
      *crl, [&](const CrlEntry& entry) { visited.push_back(pki::to_hex(entry.serial)); });
  CHECK(visited == std::vector<std::string>{"01", "02"});
  // The offset is that of the extension within the file, not within the entries.
  const Octets id = oid("1.2.3.4");
  const auto at = std::search(der.begin(), der.end(), id.begin(), id.end());
  REQUIRE(at != der.end());
  CHECK(refusal(result) == "unknown_critical_extension@" + std::to_string(at - der.begin() - 2) +
                               " crlEntryExtensions");
}

namespace {

// What a reader made of the first entry: everything it says, as text; empty if it took nothing.
std::string describe(std::size_t taken, const CrlEntry& entry) {
  std::string text = std::to_string(taken) + " " + pki::to_hex(entry.serial) + " " +
                     pki::to_string(entry.revocation_date) + " " +
                     std::string(pki::to_string(entry.reason));
  if (entry.invalidity_date) text += " " + pki::to_string(*entry.invalidity_date);
  return text;
}

// Both readers on the same bytes. The fast one may decline; it may never say anything else.
// Returns whether it took the entry.
bool agree(const Octets& bytes) {
  CrlEntry fast;
  const std::size_t taken = pki::read_usual_entry(bytes, fast);
  if (taken == 0) return false;
  pki::der::Reader reader(bytes);
  const auto slow = pki::read_entry(reader, pki::CrlKind::complete);
  CAPTURE(pki::to_hex(bytes));
  REQUIRE(refusal(slow) == "accepted");
  REQUIRE(describe(taken, fast) == describe(bytes.size() - reader.rest().size(), *slow));
  return true;
}

std::string two_digits(std::uint64_t value) {
  return {static_cast<char>('0' + value / 10), static_cast<char>('0' + value % 10)};
}

Octets random_usual_entry(std::mt19937_64& random) {
  Octets serial(1 + random() % 20);
  for (std::uint8_t& octet : serial) octet = static_cast<std::uint8_t>(random());
  const Octets date = utc_time(two_digits(random() % 100) + two_digits(1 + random() % 12) +
                               two_digits(1 + random() % 28) + two_digits(random() % 24) +
                               two_digits(random() % 60) + two_digits(random() % 60) + "Z");
  if (random() % 2 == 0) return crl_entry(serial, date);
  return crl_entry(serial, date, {reason_code(static_cast<unsigned>(random() % 11))});
}

}  // namespace

// read_usual_entry is the one place where bytes are read twice, by two pieces of code. Were the
// quick one to accept more, or otherwise, hostile lists would find the difference.
TEST_CASE("crl: the usual entry is read exactly as the general reader reads it", "[crl]") {
  std::mt19937_64 random(7);
  std::size_t taken = 0;
  constexpr std::size_t kRounds = 100'000;
  for (std::size_t round = 0; round < kRounds; ++round) {
    Octets entry = random_usual_entry(random);
    if (agree(entry)) ++taken;
    entry.push_back(0x30);  // what comes after it must not matter
    agree(entry);
    const std::uint64_t mutation = random() % 4;
    if (mutation == 0) entry.resize(random() % entry.size());
    if (mutation == 1)
      entry.insert(entry.begin() + static_cast<std::ptrdiff_t>(random() % entry.size()), 0);
    for (std::uint64_t i = random() % 3; i > 0 && !entry.empty(); --i) {
      std::uint8_t& octet = entry[random() % entry.size()];
      octet = static_cast<std::uint8_t>(random() % 2 == 0 ? random() : octet ^ 1U << random() % 8);
    }
    agree(entry);
  }
  // Nearly all random serials are in the shortest form, and 9 of 11 reasons are allowed.
  CHECK(taken > kRounds * 8 / 10);
}

TEST_CASE("crl: every single-octet change of a usual entry is read alike", "[crl]") {
  const Octets entry = GENERATE(crl_entry(hex("01"), kDate), crl_entry(hex("0080"), kDate),
                                crl_entry(Octets(20, 0x7F), kDate, {reason_code(6)}),
                                crl_entry(hex("80"), kDate, {reason_code(0)}));
  REQUIRE(agree(entry));
  for (std::size_t i = 0; i < entry.size(); ++i) {
    for (unsigned value = 0; value < 256; ++value) {
      Octets changed = entry;
      changed[i] = static_cast<std::uint8_t>(value);
      agree(changed);
    }
    Octets shorter = entry;
    shorter.resize(i);
    CHECK_FALSE(agree(shorter));
  }
}
