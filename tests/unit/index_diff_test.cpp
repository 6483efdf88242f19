// index_diff_test.cpp: the difference of two generations, against that of two maps. What a bank is
// told comes from here.
#include <catch2/catch.hpp>
#include <set>

#include "libpki/generation.hpp"
#include "tests/support/index_builder.hpp"

using namespace test;
using pki::Generation;
using pki::Reason;
using pki::Revocation;

namespace {

using Model = std::map<Octets, Revocation>;
using Change = std::pair<std::optional<Revocation>, std::optional<Revocation>>;
using Changes = std::map<Octets, Change>;

// A generation and what it means.
struct World {
  BuiltIndex base;
  std::optional<BuiltIndex> overlay;
  Model truth;

  [[nodiscard]] Generation generation() const {
    if (!overlay) return Generation(base.open());
    const auto joined = Generation::join(base.open(), overlay->open());
    REQUIRE(refusal(joined) == "accepted");
    return *joined;
  }
};

std::vector<Listed> entries_of(const Model& model) {
  std::vector<Listed> out;
  for (const auto& [serial, value] : model) out.push_back({serial, value.date, value.reason});
  return out;
}

World world_of(const Model& model) {
  return {build_index(entries_of(model)), std::nullopt, model};
}

// Some entries removed, some altered, some as they were, some new, some mentioned for nothing.
void put_overlay_on(World& world, std::mt19937_64& random) {
  std::vector<Listed> changes;
  Model truth = world.truth;
  for (const auto& [serial, value] : world.truth) {
    switch (random() % 8) {
      case 0:
        changes.push_back({serial, value.date, Reason::remove_from_crl});
        truth.erase(serial);
        break;
      case 1:
        changes.push_back({serial, any_date(random), any_reason(random)});
        truth[serial] = {changes.back().date, changes.back().reason};
        break;
      case 2: changes.push_back({serial, value.date, value.reason}); break;
      default: break;
    }
  }
  std::set<Octets> more;
  for (std::uint64_t i = random() % (world.truth.size() / 8 + 5); i > 0; --i) {
    const Octets serial = any_serial(random);
    if (world.truth.contains(serial) || !more.insert(serial).second) continue;
    if (random() % 4 == 0) {  // taken off, though the base never had it
      changes.push_back({serial, any_date(random), Reason::remove_from_crl});
      continue;
    }
    changes.push_back({serial, any_date(random), any_reason(random)});
    truth.emplace(serial, Revocation{changes.back().date, changes.back().reason});
  }
  pki::IndexDescription on_base = description();
  on_base.base = world.base.open().reference();
  on_base.listed_count = truth.size();
  world.overlay = build_index(changes, on_base);
  world.truth = truth;
}

Changes expected(const Model& before, const Model& after) {
  Changes out;
  for (const auto& [serial, value] : before) {
    const auto now = after.find(serial);
    if (now == after.end()) {
      out[serial] = {value, std::nullopt};
    } else if (now->second != value) {
      out[serial] = {value, now->second};
    }
  }
  for (const auto& [serial, value] : after) {
    if (!before.contains(serial)) out[serial] = {std::nullopt, value};
  }
  return out;
}

// Each difference once.
Changes found(const Generation& before, const Generation& after) {
  Changes out;
  diff(before, after, [&](const pki::Difference& difference) {
    REQUIRE(out.try_emplace(difference.key.to_der(), difference.before, difference.after).second);
  });
  return out;
}

void check_diff(const World& before, const World& after) {
  CHECK((found(before.generation(), after.generation()) == expected(before.truth, after.truth)));
  CHECK((found(after.generation(), before.generation()) == expected(after.truth, before.truth)));
  CHECK(found(before.generation(), before.generation()).empty());
}

// Serials of every width and sign, some of them a running counter, some under one lead.
Model any_model(std::size_t size, std::mt19937_64& random) {
  Model out;
  for (const Listed& entry : any_entries(size, random)) {
    out.emplace(entry.serial, Revocation{entry.date, entry.reason});
  }
  for (std::uint64_t i = 0; i < size / 4; ++i) {
    out.emplace(serial_of(i * 3), Revocation{any_date(random), any_reason(random)});
    pki::SerialKey key;
    key.group = 12;
    key.lead = 42;
    std::memcpy(key.tail.data(), &i, sizeof i);
    out.emplace(key.to_der(), Revocation{any_date(random), any_reason(random)});
  }
  return out;
}

// A day later: one in ten left, one in ten came, some changed.
Model next_day(const Model& model, std::mt19937_64& random) {
  Model out;
  for (const auto& [serial, value] : model) {
    const std::uint64_t fate = random() % 10;
    if (fate == 0) continue;
    Revocation now = value;
    if (fate == 1) now.date = any_date(random);
    if (fate == 2) now.reason = any_reason(random);
    out.emplace(serial, now);
  }
  for (const auto& [serial, value] : any_model(model.size() / 10 + 1, random)) {
    out.emplace(serial, value);
  }
  return out;
}

}  // namespace

TEST_CASE("index: the difference of two files is that of two maps", "[index][diff]") {
  std::mt19937_64 random(16);
  const auto size = GENERATE(values<std::size_t>({0, 1, 10, 300, 20'000}));
  const Model model = any_model(size, random);
  check_diff(world_of(model), world_of(next_day(model, random)));
  check_diff(world_of(model), world_of({}));
}

// Most of a day's list is yesterday's: runs that are alike are compared in blocks of sixteen.
TEST_CASE("index: one changed entry is found wherever it stands in a block", "[index][diff]") {
  Model model;
  for (std::uint64_t i = 0; i < 70; ++i) model.emplace(serial_of(i), Revocation{at(2026, 1, 1)});
  const World before = world_of(model);
  for (const auto& [serial, value] : model) {
    for (const int fate : {0, 1, 2}) {
      Model changed = model;
      if (fate == 0) changed.erase(serial);
      if (fate == 1) changed[serial].date += std::chrono::seconds{1};
      if (fate == 2) changed[serial].reason = Reason::certificate_hold;
      const World after = world_of(changed);
      REQUIRE(found(before.generation(), after.generation()).size() == 1);
      check_diff(before, after);
    }
  }
}

TEST_CASE("index: differences of generations with overlays", "[index][diff]") {
  const auto seed = GENERATE(range(1U, 7U));
  const auto size = GENERATE(values<std::size_t>({0, 3, 400, 6000}));
  std::mt19937_64 random(seed);
  const World base = world_of(any_model(size, random));
  World one = base;
  World other = base;
  put_overlay_on(one, random);
  put_overlay_on(other, random);
  SECTION("on one base: an overlay came, went, and was replaced") {
    check_diff(base, one);
    check_diff(one, other);
  }
  SECTION("the base changed as well") {
    World next = world_of(next_day(base.truth, random));
    check_diff(one, next);
    put_overlay_on(next, random);
    check_diff(base, next);
    check_diff(one, next);
  }
  SECTION("a new base that swallowed the overlay makes no difference") {
    CHECK(found(one.generation(), world_of(one.truth).generation()).empty());
  }
}

TEST_CASE("index: to begin with, everything is new", "[index][diff]") {
  std::mt19937_64 random(18);
  World world = world_of(any_model(50, random));
  put_overlay_on(world, random);
  CHECK((found(Generation(), world.generation()) == expected({}, world.truth)));
  CHECK(found(Generation(), Generation()).empty());
}

// Which list a serial stands on is not its status.
TEST_CASE("index: a serial that went to another list is no difference", "[index][diff]") {
  const auto on_list = [](std::size_t list) {
    return build_index({{hex("01"), at(2026, 1, 1), Reason::superseded, list}},
                       description_of_partitions(2));
  };
  const BuiltIndex before = on_list(0);
  const BuiltIndex after = on_list(1);
  REQUIRE(before.file != after.file);
  CHECK(found(Generation(before.open()), Generation(after.open())).empty());
}

TEST_CASE("index: lists of issued serials have differences too", "[index][diff]") {
  const auto issued = [](std::uint64_t count) {
    pki::IndexDescription serials = description();
    serials.content = pki::IndexContent::serials;
    std::vector<Listed> entries;
    for (std::uint64_t i = 0; i < count; ++i) entries.push_back({serial_of(i), {}});
    return build_index(entries, serials);
  };
  const BuiltIndex before = issued(100);
  const BuiltIndex after = issued(120);
  CHECK(found(Generation(before.open()), Generation(after.open())).size() == 20);
  CHECK(found(Generation(after.open()), Generation(after.open())).empty());
}
