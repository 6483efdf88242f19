// overlay_test.cpp: base, replaced lists and deltas against a map for each list. What the overlay
// says on top of its base must be what the lists say together.
#include "libpki/overlay.hpp"

#include <catch2/catch.hpp>

#include "libpki/generation.hpp"
#include "tests/support/index_builder.hpp"

using namespace test;
using pki::Reason;
using pki::Revocation;

namespace {

using List = std::map<Octets, Revocation>;

pki::CrlEntry entry_of(const Octets& serial, const Revocation& value) {
  return {serial, value.date, value.reason, {}};
}

Revocation any_revocation(std::mt19937_64& random) {
  return {any_date(random), any_reason(random)};
}

// Lists with no serial in common.
struct World {
  std::vector<List> lists;

  [[nodiscard]] List all() const {
    List out;
    for (const List& list : lists) out.insert(list.begin(), list.end());
    return out;
  }
  [[nodiscard]] BuiltIndex build() const {
    std::vector<Listed> entries;
    for (std::size_t i = 0; i < lists.size(); ++i) {
      for (const auto& [serial, value] : lists[i]) {
        entries.push_back({serial, value.date, value.reason, i});
      }
    }
    return build_index(entries, description_of_partitions(lists.size()));
  }
};

World any_world(std::size_t lists, std::size_t entries, std::mt19937_64& random) {
  World out;
  out.lists.resize(lists);
  for (const Listed& entry : any_entries(lists * entries, random)) {
    out.lists[random() % lists][entry.serial] = {entry.date, entry.reason};
  }
  return out;
}

// A day of a list: some entries leave it, some change, some are new.
List next_day(const World& world, const List& list, std::mt19937_64& random) {
  List out;
  for (const auto& [serial, value] : list) {
    const auto dice = random() % 10;
    if (dice == 0) continue;
    out[serial] = dice == 1 ? any_revocation(random) : value;
  }
  const List all = world.all();
  for (int i = 0; i < 5; ++i) {
    const Octets serial = any_serial(random);
    if (!all.contains(serial)) out.try_emplace(serial, any_revocation(random));
  }
  return out;
}

// The delta that leads from one state of a list to the next.
List delta_of(const List& before, const List& after) {
  List out;
  for (const auto& [serial, value] : before) {
    if (!after.contains(serial)) out[serial] = {value.date, Reason::remove_from_crl};
  }
  for (const auto& [serial, value] : after) {
    const auto was = before.find(serial);
    if (was == before.end() || was->second != value) out[serial] = value;
  }
  return out;
}

// The overlay as a file, joined with its base.
struct Joined {
  BuiltIndex overlay;
  pki::Generation generation;
};
Joined join(const pki::Index& base, const pki::OverlayBuilder& builder) {
  pki::IndexDescription about = description();
  about.lists = base.lists();
  about.base = base.reference();
  about.listed_count = builder.listed_count();
  MemoryStorage scratch;
  MemoryStorage file;
  pki::IndexWriter::Options options;
  options.list_count = about.lists.size();
  pki::IndexWriter writer(options, scratch);
  builder.write_to(writer);
  const auto outcome = writer.write(about, file);
  REQUIRE(refusal(outcome) == "accepted");
  REQUIRE(outcome->duplicate_count == 0);
  Joined out{{*outcome, file.bytes()}, {}};
  const auto joined = pki::Generation::join(base, out.overlay.open());
  REQUIRE(refusal(joined) == "accepted");
  out.generation = *joined;
  return out;
}

void check_against(const World& world, const World& before, const pki::Generation& generation) {
  CHECK(generation.listed_count() == world.all().size());
  for (std::size_t i = 0; i < world.lists.size(); ++i) {
    for (const auto& [serial, value] : world.lists[i]) {
      const pki::Finding found = generation.find(pki::SerialKey::from_der(serial));
      CHECK(found.revocation == value);
      CHECK(found.list == i);
    }
  }
  const List all = world.all();
  for (const auto& [serial, value] : before.all()) {
    if (all.contains(serial)) continue;
    CHECK_FALSE(generation.find(pki::SerialKey::from_der(serial)).revocation.has_value());
  }
}

}  // namespace

TEST_CASE("overlay: replaced lists and deltas say what the lists together say", "[overlay]") {
  std::mt19937_64 random(GENERATE(1U, 2U, 3U, 4U));
  const World before = any_world(GENERATE(std::size_t{1}, std::size_t{4}), 300, random);
  const BuiltIndex built = before.build();
  const pki::Index base = built.open();
  World after = before;
  pki::OverlayBuilder builder(base, after.lists.size());
  for (std::size_t i = 0; i < after.lists.size(); ++i) {
    const List morning = next_day(after, before.lists[i], random);
    const bool replaced = random() % 2 == 0;
    const List& full = replaced ? morning : before.lists[i];
    if (replaced) {
      builder.replace(i);
      for (const auto& [serial, value] : full) builder.add(entry_of(serial, value), i);
    }
    after.lists[i] = full;
    const List evening = next_day(after, full, random);
    for (const auto& [serial, value] : delta_of(full, evening)) {
      builder.add_delta(entry_of(serial, value), i);
    }
    after.lists[i] = evening;
  }
  REQUIRE(builder.finish());
  const Joined joined = join(base, builder);
  check_against(after, before, joined.generation);
  // As small as can be: nothing is in the overlay that the base says as well.
  joined.overlay.open().for_each([&](const pki::SerialKey& key, const pki::IndexEntry& entry) {
    const auto was = base.find(key);
    if (entry.is_removal()) {
      CHECK(was.has_value());
    } else {
      CHECK((!was || was->revocation != entry.revocation));
    }
  });
}

TEST_CASE("overlay: a list that was re-published with nothing new needs no entry", "[overlay]") {
  std::mt19937_64 random(5);
  const World world = any_world(3, 200, random);
  const BuiltIndex built = world.build();
  const pki::Index base = built.open();
  pki::OverlayBuilder builder(base, 3);
  builder.replace(1);
  for (const auto& [serial, value] : world.lists[1]) builder.add(entry_of(serial, value), 1);
  REQUIRE(builder.finish());
  CHECK(builder.size() == 0);
  CHECK(builder.listed_count() == base.entry_count());
}

TEST_CASE("overlay: what a delta says of serials that were never listed", "[overlay]") {
  const BuiltIndex built = build_index({{serial_of(1), at(2026, 1, 1), Reason::superseded}});
  const pki::Index base = built.open();
  pki::OverlayBuilder builder(base, 1);
  const Revocation removal{at(2026, 1, 2), Reason::remove_from_crl};
  builder.add_delta(entry_of(serial_of(2), removal), 0);  // off the list, on which it never was
  builder.add_delta(entry_of(serial_of(1), {at(2026, 1, 1), Reason::superseded}), 0);  // as before
  REQUIRE(builder.finish());
  CHECK(builder.size() == 0);
  CHECK(builder.listed_count() == 1);
}

TEST_CASE("overlay: a delta that contradicts itself leaves the serial revoked", "[overlay]") {
  const bool removal_first = GENERATE(true, false);
  const BuiltIndex built = build_index({{serial_of(1), at(2026, 1, 1), Reason::certificate_hold}});
  const pki::Index base = built.open();
  pki::OverlayBuilder builder(base, 1);
  const Revocation removal{at(2026, 1, 2), Reason::remove_from_crl};
  const Revocation final_word{at(2026, 1, 3), Reason::key_compromise};
  for (const Revocation& word :
       removal_first ? std::vector{removal, final_word} : std::vector{final_word, removal}) {
    builder.add_delta(entry_of(serial_of(1), word), 0);
  }
  REQUIRE(builder.finish());
  CHECK(join(base, builder).generation.find(pki::SerialKey::from_der(serial_of(1))).revocation ==
        final_word);
}

TEST_CASE("overlay: a serial on two lists is for a new base to settle", "[overlay]") {
  const std::vector<Listed> entries = {{serial_of(1), at(2026, 1, 1), Reason::superseded, 0},
                                       {serial_of(2), at(2026, 1, 1), Reason::superseded, 1}};
  const BuiltIndex built = build_index(entries, description_of_partitions(2));
  const pki::Index base = built.open();
  const Revocation value{at(2026, 1, 5), Reason::unspecified};

  SECTION("one list takes up what another one has") {
    pki::OverlayBuilder builder(base, 2);
    builder.replace(0);
    builder.add(entry_of(serial_of(1), value), 0);
    builder.add(entry_of(serial_of(2), value), 0);
    CHECK_FALSE(builder.finish());
  }
  SECTION("a delta does") {
    pki::OverlayBuilder builder(base, 2);
    builder.add_delta(entry_of(serial_of(2), value), 0);
    CHECK_FALSE(builder.finish());
  }
  SECTION("two lists that were replaced") {
    pki::OverlayBuilder builder(base, 2);
    for (const std::size_t list : {0U, 1U}) {
      builder.replace(list);
      builder.add(entry_of(serial_of(9), value), list);
    }
    CHECK_FALSE(builder.finish());
  }
  SECTION("the base knows already") {
    std::vector<Listed> shared = entries;
    shared.push_back({serial_of(1), at(2026, 1, 2), Reason::superseded, 1});
    const BuiltIndex shared_base = build_index(shared, description_of_partitions(2));
    const pki::Index index = shared_base.open();
    pki::OverlayBuilder builder(index, 2);
    CHECK_FALSE(builder.finish());
  }
  SECTION("taking it off a list that does not have it changes nothing") {
    pki::OverlayBuilder builder(base, 2);
    builder.add_delta(entry_of(serial_of(2), {value.date, Reason::remove_from_crl}), 0);
    REQUIRE(builder.finish());
    CHECK(builder.size() == 0);
  }
}
