// index_lists_test.cpp: index files made of several lists, overlays, and lists of issued serials.
#include <catch2/catch.hpp>

#include "tests/support/index_builder.hpp"
#include "tests/support/index_surgery.hpp"

using namespace test;
using pki::IndexEntry;
using pki::Reason;
using pki::Revocation;
using pki::SerialKey;

namespace {

constexpr std::size_t kSpread = pki::index_format::kEntriesPerBucket * 1024;

// Different serials, each on one of `lists` lists.
std::vector<Listed> on_lists(std::size_t lists, std::size_t count, std::mt19937_64& random) {
  std::vector<Listed> entries = any_entries(count, random);
  for (Listed& entry : entries) entry.list = random() % lists;
  return entries;
}

void require_holds(const pki::Index& index, const std::vector<Listed>& entries) {
  REQUIRE(index.entry_count() == entries.size());
  for (const Listed& entry : entries) {
    const IndexEntry expected{{entry.date, entry.reason}, static_cast<std::uint16_t>(entry.list)};
    REQUIRE(index.find(SerialKey::from_der(entry.serial)) == expected);
  }
}

pki::IndexDescription issued_serials() {
  pki::IndexDescription out = description();
  out.content = pki::IndexContent::serials;
  return out;
}

auto only(std::size_t list) {
  return [list](std::uint16_t candidate) { return candidate == list; };
}

double bytes_per_entry(const BuiltIndex& built) {
  return static_cast<double>(built.file.size()) / static_cast<double>(built.outcome.entry_count);
}

}  // namespace

// From kSpread entries on, a group leaves its small buffer for the partitions (index_writer.cpp).
TEST_CASE("index: every entry keeps its list", "[index][lists]") {
  std::mt19937_64 random(30);
  const auto lists = GENERATE(values<std::size_t>({2, 5, 1900}));
  const auto count = GENERATE(values<std::size_t>({0, 1, 100, 200'000}));
  if (lists > 5 && count > 100) return;
  const std::vector<Listed> entries = on_lists(lists, count, random);
  const BuiltIndex built = build_index(entries, description_of_partitions(lists));
  const pki::Index index = built.open();
  CHECK(index.lists().size() == lists);
  CHECK_FALSE(index.has_shared_serials());
  require_holds(index, entries);

  std::map<std::size_t, std::size_t> by_list;
  for (const Listed& entry : entries) ++by_list[entry.list];
  for (std::size_t list = 0; list < std::min<std::size_t>(lists, 7); ++list) {
    std::size_t walked = 0;
    index.for_each_of(only(list), [&](const SerialKey& key, const IndexEntry& entry) {
      ++walked;
      REQUIRE(entry.list == list);
      REQUIRE(index.find(key) == entry);
    });
    REQUIRE(walked == by_list[list]);
  }
  std::size_t odd = 0;
  index.for_each_of([](std::uint16_t list) { return list % 2 == 1; },
                    [&](const SerialKey&, const IndexEntry& entry) { odd += entry.list % 2; });
  CHECK(odd == static_cast<std::size_t>(std::ranges::count_if(
                   entries, [](const Listed& entry) { return entry.list % 2 == 1; })));
  index.for_each_of([](std::uint16_t) { return false; },
                    [](const SerialKey&, const IndexEntry&) { FAIL("of no list"); });
}

TEST_CASE("index: of one list, every entry is on list 0", "[index][lists]") {
  const BuiltIndex built = build_index({{hex("01"), at(2026, 1, 1)}, {hex("02"), at(2026, 1, 1)}});
  std::size_t walked = 0;
  built.open().for_each_of(only(0), [&](const SerialKey&, const IndexEntry& entry) {
    ++walked;
    CHECK(entry.list == 0);
  });
  CHECK(walked == 2);
  built.open().for_each_of(only(1),
                           [](const SerialKey&, const IndexEntry&) { FAIL("of no list"); });
}

TEST_CASE("index: as many lists as two bytes can name", "[index][lists]") {
  constexpr std::size_t kLists = pki::index_format::kListCountMax;
  const std::vector<Listed> entries = {{hex("01"), at(2026, 1, 1), Reason::superseded, 0},
                                       {hex("02"), at(2026, 1, 1), Reason::superseded, kLists - 1},
                                       {hex("03"), at(2026, 1, 1), Reason::superseded, 255},
                                       {hex("04"), at(2026, 1, 1), Reason::superseded, 256}};
  const BuiltIndex built = build_index(entries, description_of_partitions(kLists));
  require_holds(built.open(), entries);
}

TEST_CASE("index: all that is said of a list is read back", "[index][lists]") {
  pki::IndexDescription all = description_of_partitions(3);
  all.lists[1].expired_certificates_since = at(2020, 4, 1);
  all.lists[2].base = pki::CrlNumber(pki::Bytes(Octets(20, 0x7F)));
  all.lists[2].number = pki::CrlNumber(pki::Bytes(Octets(19, 0x7F)));
  all.lists[2].identity.fill(0x33);
  all.lists[2].entry_count = UINT64_MAX;
  all.lists[0].expired_certificates_since = pki::Time{};  // 1970 is a date like any other
  const BuiltIndex built = build_index({}, all);
  CHECK(built.open().lists() == all.lists);
  CHECK_FALSE(built.open().lists()[2].expired_certificates_since);
  const auto described = pki::Index::describe(built.file);
  REQUIRE(described);
  CHECK(described->lists() == all.lists);
}

// None of two lists that share a serial can be replaced alone: the flag says so.
TEST_CASE("index: a serial on two lists is shared, twice on one it is not", "[index][lists]") {
  const auto others = GENERATE(values<std::size_t>({0, kSpread + 1000}));
  const auto built_of = [&](std::size_t first, std::size_t second) {
    std::vector<Listed> entries;
    for (std::uint64_t i = 0; i < others; ++i) {
      entries.push_back({serial_of(i), at(2026, 1, 1), Reason::absent, i % 3});
    }
    entries.push_back({hex("7FFFFFFFFFFF"), at(2026, 1, 1), Reason::superseded, first});
    entries.push_back({hex("7FFFFFFFFFFF"), at(2026, 1, 2), Reason::superseded, second});
    return build_index(entries, description_of_partitions(3));
  };
  const BuiltIndex within = built_of(1, 1);
  CHECK(within.outcome.duplicate_count == 1);
  CHECK(within.outcome.shared_count == 0);
  CHECK_FALSE(within.open().has_shared_serials());
  const BuiltIndex across = built_of(2, 1);
  CHECK(across.outcome.duplicate_count == 1);
  CHECK(across.outcome.shared_count == 1);
  CHECK(across.open().has_shared_serials());
  CHECK(across.open().entry_count() == others + 1);
  CHECK(across.open().find(SerialKey::from_der(hex("7FFFFFFFFFFF"))) ==
        IndexEntry{{at(2026, 1, 1), Reason::superseded}, 1});
}

TEST_CASE("index: of a shared serial the list with the gravest reason counts", "[index][lists]") {
  // Gravest first, as index_writer.hpp puts it; the last occurs in overlays only.
  const std::vector<Reason> by_gravity = {Reason::key_compromise,
                                          Reason::ca_compromise,
                                          Reason::aa_compromise,
                                          Reason::privilege_withdrawn,
                                          Reason::cessation_of_operation,
                                          Reason::superseded,
                                          Reason::affiliation_changed,
                                          Reason::unspecified,
                                          Reason::absent,
                                          Reason::certificate_hold,
                                          Reason::remove_from_crl};
  pki::IndexDescription overlay = description_of_partitions(2);
  overlay.base = pki::BaseReference{1, 2};
  for (std::size_t a = 0; a < by_gravity.size(); ++a) {
    for (std::size_t b = 0; b < by_gravity.size(); ++b) {
      const Listed first{hex("01"), at(2026, 1, 2), by_gravity[a], 0};
      const Listed second{hex("01"), at(2026, 1, 1), by_gravity[b], 1};
      const BuiltIndex built = build_index({first, second}, overlay);
      const std::uint16_t list = a <= b ? 0 : 1;
      CHECK(built.open().find(SerialKey::from_der(hex("01"))) ==
            IndexEntry{{at(2026, 1, 1), by_gravity[std::min(a, b)]}, list});
      CHECK((build_index({second, first}, overlay).file == built.file));
    }
  }
}

// Operators compare replicas byte by byte; here every third serial stands on several lists.
TEST_CASE("index: order, threads and memory do not show in a file of many lists",
          "[index][lists]") {
  std::mt19937_64 random(31);
  const pki::IndexDescription four = description_of_partitions(4);
  std::vector<Listed> entries = on_lists(4, 30'000, random);
  for (std::size_t i = 0; i < 10'000; ++i) {
    entries.push_back({entries[i].serial, any_date(random), any_reason(random), random() % 4});
    if (i % 3 == 0) {
      entries.push_back({entries[i].serial, any_date(random), any_reason(random), random() % 4});
    }
  }
  // Sixteen thousand that share one partition, so that the smallest budget overflows there, and
  // one in each partition, so that every chain holds a chunk.
  for (std::uint64_t i = 0; i < 16'000; ++i) {
    const Octets serial = serial_with_lead(0xABC0'0000'0000'0000 | i << 20);
    entries.push_back({serial, any_date(random), any_reason(random), i % 4});
  }
  for (std::uint64_t i = 0; i < 1024; ++i) {
    entries.push_back({serial_with_lead(i << 54 | 1), any_date(random), Reason::absent, i % 4});
  }
  const BuiltIndex built = build_index(entries, four, {.threads = 1});
  CHECK(built.outcome.scratch_bytes == 0);
  CHECK(built.open().has_shared_serials());
  CHECK((build_index(entries, four, {.threads = 4}).file == built.file));
  const BuiltIndex spilled = build_index(entries, four, {.memory_bytes = 1, .threads = 2});
  CHECK(spilled.outcome.scratch_bytes > 0);
  CHECK((spilled.file == built.file));
  std::shuffle(entries.begin(), entries.end(), random);
  CHECK((build_index(entries, four).file == built.file));
}

// 8 (lead) + 4 (time) + 1 (reason) + 2 (list) and a part of the fence; index_format.md has the
// sums.
TEST_CASE("index: what an entry costs with several lists, and without a status", "[index][lists]") {
  std::vector<Listed> entries;
  for (std::uint64_t i = 0; i < 100'000; ++i) {
    entries.push_back({serial_of(i), at(2026, 1, 1), Reason::absent, 0});
  }
  constexpr double fence = 4.0 / pki::index_format::kEntriesPerBucket;
  CHECK(bytes_per_entry(build_index(entries)) == Approx(13 + fence).epsilon(0.01));
  CHECK(bytes_per_entry(build_index(entries, description_of_partitions(2))) ==
        Approx(15 + fence).epsilon(0.01));
  CHECK(bytes_per_entry(build_index(entries, issued_serials())) == Approx(8 + fence).epsilon(0.01));
}

TEST_CASE("index: issued serials have keys and nothing else", "[index][lists]") {
  std::mt19937_64 random(32);
  const auto count = GENERATE(values<std::size_t>({0, 10, 20'000}));
  std::vector<Listed> entries = any_entries(count, random);
  for (std::size_t i = 0; i < count / 2; ++i) {  // numbered twice
    entries.push_back({entries[i].serial, any_date(random), any_reason(random)});
  }
  const BuiltIndex built = build_index(entries, issued_serials());
  std::shuffle(entries.begin(), entries.end(), random);
  CHECK((build_index(entries, issued_serials()).file == built.file));
  CHECK(built.outcome.duplicate_count == count / 2);
  const pki::Index index = built.open();
  CHECK(index.content() == pki::IndexContent::serials);
  CHECK(index.entry_count() == count);
  for (const Listed& entry : entries) {
    REQUIRE(index.contains(SerialKey::from_der(entry.serial)));
    REQUIRE(index.find(SerialKey::from_der(entry.serial)) == IndexEntry{});
  }
  std::size_t walked = 0;
  index.for_each([&](const SerialKey& key, const IndexEntry&) {
    REQUIRE(index.contains(key));
    ++walked;
  });
  CHECK(walked == count);
  CHECK_FALSE(index.contains(SerialKey::from_der(Octets(20, 0x5A))));
}

TEST_CASE("index: many issued serials go through the scratch storage as well", "[index][lists]") {
  std::vector<Listed> entries;
  for (std::uint64_t i = 0; i < 20'000; ++i) {
    entries.push_back({serial_with_lead(0xABC0'0000'0000'0000 | i << 20), {}});
  }
  for (std::uint64_t i = 0; i < 1024; ++i) entries.push_back({serial_with_lead(i << 54 | 1), {}});
  const BuiltIndex spilled = build_index(entries, issued_serials(), {.memory_bytes = 1});
  CHECK(spilled.outcome.scratch_bytes > 0);
  CHECK((spilled.file == build_index(entries, issued_serials()).file));
}

TEST_CASE("index: a list that is not in the table is refused", "[index][lists]") {
  namespace format = pki::index_format;
  Octets file = build_index({{hex("01"), at(2026, 1, 1), Reason::absent, 0},
                             {hex("02"), at(2026, 1, 1), Reason::absent, 2}},
                            description_of_partitions(3))
                    .file;
  const std::size_t lists = section_at(file, 0, format::lists);
  file[lists] ^= 1;
  CHECK(refusal(pki::Index::open(file)) ==
        "index_section_checksum@" + std::to_string(lists) + " lists");
  for (const unsigned list : {0U, 1U, 2U, 3U, 256U, 65535U}) {
    write_at(file, lists, static_cast<std::uint16_t>(list));
    seal(file);
    CAPTURE(list);
    CHECK(refusal(pki::Index::open(file)) ==
          (list < 3 ? "accepted" : "index_order@" + std::to_string(lists) + " lists"));
  }
}

TEST_CASE("index: a removal has no place in a file that stands alone", "[index][lists]") {
  const std::vector<Listed> removal = {{hex("01"), at(2026, 1, 1), Reason::remove_from_crl}};
  pki::IndexDescription overlay = description();
  CHECK(code(pki::Index::open([&] {
          static Octets file;  // outlives the call
          MemoryStorage scratch;
          MemoryStorage storage;
          pki::IndexWriter writer({}, scratch);
          writer.add({removal[0].serial, removal[0].date, removal[0].reason, {}});
          REQUIRE(writer.write(overlay, storage));
          file = storage.bytes();
          return pki::Bytes(file);
        }())) == "index_order");
  overlay.base = pki::BaseReference{6, 0x1234};
  CHECK(build_index(removal, overlay).open().find(SerialKey::from_der(hex("01")))->is_removal());
}
