#include "libpki/index_writer.hpp"

#include <catch2/catch.hpp>

#include "tests/support/index_builder.hpp"

using namespace test;
using pki::Reason;
using pki::Revocation;

namespace {

// Every entry is found with its date and reason, and walking the file yields them all once.
void require_holds(const pki::Index& index, const std::vector<Listed>& entries) {
  REQUIRE(index.entry_count() == entries.size());
  for (const Listed& entry : entries) {
    const auto found = index.lookup(pki::SerialKey::from_der(entry.serial));
    REQUIRE(found);
    REQUIRE(*found == Revocation{entry.date, entry.reason});
  }
  std::uint64_t walked = 0;
  index.for_each([&](const pki::SerialKey& key, const pki::IndexEntry& entry) {
    ++walked;
    REQUIRE(index.find(key) == entry);
  });
  REQUIRE(walked == entries.size());
}

// Serials that differ but end alike, which a careless key would join.
std::vector<Listed> confusable_entries() {
  std::vector<Octets> serials = {
      hex("00"),    // zero
      hex("FF"),    // -1
      hex("00FF"),  // 255
      hex("80"),    // -128
      hex("0080"),  // 128
      hex("FF7F"),  // -129
      hex("7F"),
      hex("00FFFFFFFFFFFFFFFF"),  // 2^64 - 1
      hex("010000000000000000"),  // 2^64
      hex("01FFFFFFFFFFFFFFFF"),
      hex("8000000000000000"),    // -2^63
      hex("008000000000000000"),  // 2^63
      hex("FF7FFFFFFFFFFFFFFF"),  // -2^63 - 1
      concat({hex("00"), Octets(20, 0xFF)}),
      Octets(20, 0x80),
      Octets(20, 0x7F),
      concat({hex("01"), Octets(19, 0x00)}),
      concat({hex("02"), Octets(19, 0x00)}),
  };
  std::vector<Listed> entries;
  for (std::size_t i = 0; i < serials.size(); ++i) {
    entries.push_back({serials[i], at(2026, 1, 1, 0, 0, static_cast<int>(i)), Reason::superseded});
  }
  return entries;
}

std::vector<Listed> counters(std::uint64_t count) {
  std::vector<Listed> entries;
  for (std::uint64_t i = 0; i < count; ++i) {
    entries.push_back({serial_of(i), at(2026, 1, 1) + std::chrono::seconds{i}});
  }
  return entries;
}

}  // namespace

// 5120 is where a group leaves its small buffer for the partitions (index_writer.cpp).
TEST_CASE("index: what was added is found again, whatever the count", "[index]") {
  const auto count = GENERATE(values<std::uint64_t>({0, 1, 3, 4, 6, 5119, 5120, 5121, 20'000}));
  const std::vector<Listed> entries = counters(count);
  const BuiltIndex built = build_index(entries);
  const pki::Index index = built.open();
  require_holds(index, entries);
  CHECK(built.outcome.entry_count == count);
  CHECK(built.outcome.duplicate_count == 0);
  CHECK(built.outcome.scratch_bytes == 0);
  CHECK_FALSE(index.lookup(pki::SerialKey::from_der(serial_of(count))));
  CHECK_FALSE(index.lookup(pki::SerialKey::from_der(hex("FF"))));
}

TEST_CASE("index: two hundred thousand serials of every width and sign", "[index]") {
  std::mt19937_64 random(8);
  const std::vector<Listed> entries = any_entries(200'000, random);
  const BuiltIndex built = build_index(entries);
  const pki::Index index = built.open();
  CHECK(index.groups().size() == pki::SerialKey::kGroupCount);
  require_holds(index, entries);
}

TEST_CASE("index: serials that end alike never meet", "[index]") {
  const std::vector<Listed> entries = confusable_entries();
  const BuiltIndex built = build_index(entries);
  require_holds(built.open(), entries);
  for (const Listed& entry : entries) {  // each alone: none of the others is found
    const BuiltIndex alone = build_index({entry});
    const pki::Index index = alone.open();
    for (const Listed& other : entries) {
      REQUIRE(index.lookup(pki::SerialKey::from_der(other.serial)).has_value() ==
              (other.serial == entry.serial));
    }
  }
}

TEST_CASE("index: the header says what the description said", "[index]") {
  const BuiltIndex built = build_index(counters(3));
  const pki::Index index = built.open();
  CHECK(index.generation() == 7);
  CHECK(index.created_at() == at(2026, 2, 1, 12));
  CHECK(index.this_update() == at(2026, 2, 1));
  CHECK(index.next_update() == at(2026, 2, 8));
  CHECK(pki::to_hex(index.issuer_key_hash()) == pki::to_hex(Octets(32, 0x11)));
  CHECK(index.file_bytes() == built.file.size());
  REQUIRE(index.lists().size() == 1);
  CHECK(index.lists()[0].number.to_string() == "66051");
  CHECK(index.lists()[0].entry_count == 3);
}

// A responder must not be fresher than its stalest part.
TEST_CASE("index: of several lists the oldest and the earliest dates count", "[index]") {
  pki::IndexDescription several = description_of_partitions(2);
  several.lists[0].this_update = at(2026, 1, 30);
  several.lists[1].next_update = at(2026, 2, 5);
  const BuiltIndex built = build_index({}, several);
  const pki::Index index = built.open();
  CHECK(index.this_update() == at(2026, 1, 30));
  CHECK(index.next_update() == at(2026, 2, 5));
  CHECK(index.lists() == several.lists);
  CHECK(index.entry_count() == 0);
}

TEST_CASE("index: a serial listed twice has its earliest date and gravest reason", "[index]") {
  // Gravest first, as index_writer.hpp puts it.
  const std::vector<Reason> by_gravity = {Reason::key_compromise,
                                          Reason::ca_compromise,
                                          Reason::aa_compromise,
                                          Reason::privilege_withdrawn,
                                          Reason::cessation_of_operation,
                                          Reason::superseded,
                                          Reason::affiliation_changed,
                                          Reason::unspecified,
                                          Reason::absent,
                                          Reason::certificate_hold};
  // Alone in its group, or among so many that the group is spread over partitions.
  const auto others = GENERATE(values<std::uint64_t>({0, 6000}));
  const Octets twice = GENERATE(hex("7FFFFFFFFFFFFF"), hex("FF7FFFFFFFFFFFFFFF"));
  for (std::size_t a = 0; a < by_gravity.size(); ++a) {
    for (std::size_t b = 0; b < by_gravity.size(); ++b) {
      if (others > 0 && (a + b) % 7 != 0) continue;
      std::vector<Listed> entries = counters(others);
      entries.insert(entries.begin() + static_cast<std::ptrdiff_t>(others / 2),
                     {twice, at(2026, 1, 2), by_gravity[a]});
      entries.push_back({twice, at(2026, 1, 1), by_gravity[b]});
      const BuiltIndex built = build_index(entries);
      CHECK(built.outcome.duplicate_count == 1);
      CHECK(built.outcome.entry_count == others + 1);
      const pki::Index index = built.open();
      CHECK(index.entry_count() == others + 1);
      CHECK(index.lookup(pki::SerialKey::from_der(twice)) ==
            Revocation{at(2026, 1, 1), by_gravity[std::min(a, b)]});
    }
  }
}

// Many duplicates make the writer plan twice. The first plan's bytes must not shine through.
TEST_CASE("index: duplicates in every partition leave one entry each, in any order", "[index]") {
  std::mt19937_64 random(9);
  const auto distinct = GENERATE(values<std::size_t>({100, 3000, 50'000}));
  std::vector<Listed> entries = any_entries(distinct, random);
  std::map<Octets, Revocation> model;
  const std::size_t first_half = entries.size() / 2;
  for (std::size_t i = 0; i < first_half; ++i) {
    for (std::uint64_t more = random() % 3; more > 0; --more) {
      entries.push_back({entries[i].serial, any_date(random), entries[i].reason});
    }
  }
  for (const Listed& entry : entries) {
    const auto [place, is_new] =
        model.try_emplace(entry.serial, Revocation{entry.date, entry.reason});
    place->second.date = std::min(place->second.date, entry.date);
  }
  const BuiltIndex built = build_index(entries);
  CHECK(built.outcome.entry_count == distinct);
  CHECK(built.outcome.duplicate_count == entries.size() - distinct);
  const pki::Index index = built.open();
  for (const auto& [serial, revocation] : model) {
    REQUIRE(index.lookup(pki::SerialKey::from_der(serial)) == revocation);
  }
  std::shuffle(entries.begin(), entries.end(), random);
  CHECK((build_index(entries).file == built.file));
}

// Servers compare generations and operators compare replicas byte by byte.
TEST_CASE("index: order, threads and memory do not show in the file", "[index]") {
  std::mt19937_64 random(10);
  std::vector<Listed> entries = any_entries(30'000, random);
  // Eighteen thousand that share one partition, so that the smallest budget overflows there.
  for (std::uint64_t i = 0; i < 18'000; ++i) {
    entries.push_back({serial_with_lead(0xABC0'0000'0000'0000 | i << 20), any_date(random)});
  }
  // And one in each partition, so that every chain holds a chunk.
  for (std::uint64_t i = 0; i < 1024; ++i) {
    entries.push_back({serial_with_lead(i << 54 | 1), any_date(random)});
  }
  const BuiltIndex built = build_index(entries, {.memory_bytes = 400ULL << 20, .threads = 1});
  CHECK(built.outcome.scratch_bytes == 0);
  require_holds(built.open(), entries);

  const BuiltIndex threads = build_index(entries, {.memory_bytes = 400ULL << 20, .threads = 4});
  CHECK((threads.file == built.file));

  const BuiltIndex small = build_index(entries, {.memory_bytes = 1, .threads = 2});
  CHECK(small.outcome.scratch_bytes > 0);
  CHECK((small.file == built.file));

  std::shuffle(entries.begin(), entries.end(), random);
  CHECK((build_index(entries).file == built.file));
}

// Issue 2: at most 14 bytes an entry up to eight octets, 27 for twenty.
TEST_CASE("index: the cost of an entry is within its budget", "[index]") {
  constexpr std::uint64_t kCount = 100'000;
  const auto per_entry = [](const BuiltIndex& built) {
    return static_cast<double>(built.file.size()) / static_cast<double>(kCount);
  };
  CHECK(per_entry(build_index(counters(kCount))) <= 14.0);
  std::vector<Listed> wide = counters(kCount);
  std::mt19937_64 random(11);
  for (Listed& entry : wide) {
    entry.serial.assign(20, 0x11);
    for (std::size_t i = 1; i < 20; ++i) entry.serial[i] = static_cast<std::uint8_t>(random());
  }
  CHECK(per_entry(build_index(wide)) <= 27.0);
}

// A full disk is an exception of the storage; it must come out whichever thread hits it.
TEST_CASE("index: a failure of the storage passes through the writer", "[index]") {
  const auto writes = GENERATE(values<std::uint64_t>({0, 1, 100, 2000}));
  const bool spread = GENERATE(false, true);
  MemoryStorage scratch;
  MemoryStorage file;
  pki::IndexWriter writer({.memory_bytes = 1, .threads = 3}, scratch);
  for (const Listed& entry : counters(spread ? 10'000 : 100)) {
    writer.add({entry.serial, entry.date, entry.reason, {}});
  }
  file.fail_after(writes);
  if (!spread && writes > 1) return;  // fewer writes than that
  CHECK_THROWS_WITH(writer.write(description(), file), "disk full");
}
