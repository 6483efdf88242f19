#include "libpki/freshness.hpp"

#include <catch2/catch.hpp>
#include <random>

#include "tests/support/result.hpp"

using namespace test;
using namespace std::chrono_literals;
using pki::Freshness;
using pki::FreshnessTable;
using pki::IndexedList;

namespace {

IndexedList complete(std::uint8_t scope, pki::Time this_update, pki::Time next_update) {
  IndexedList list;
  list.scope.fill(scope);
  list.this_update = this_update;
  list.next_update = next_update;
  return list;
}
IndexedList delta(std::uint8_t scope, pki::Time this_update, pki::Time next_update) {
  IndexedList list = complete(scope, this_update, next_update);
  list.base = pki::CrlNumber();
  return list;
}

// One complete list a week, and a delta in the middle of its second day.
const pki::Time kWeek = at(2026, 2, 1);
const pki::Time kWeekEnd = at(2026, 2, 8);
const pki::Time kDelta = at(2026, 2, 2, 12);
const pki::Time kDeltaEnd = at(2026, 2, 3, 12);

}  // namespace

TEST_CASE("freshness: of one complete list, listed or not, to the second", "[freshness]") {
  const FreshnessTable table({complete(0, kWeek, kWeekEnd)});
  const Freshness expected{kWeek, kWeekEnd, kWeekEnd};
  CHECK(table.of(0) == expected);
  CHECK(table.of_absent() == expected);
  CHECK(table.of(0).due(kWeek) == kWeekEnd);
  CHECK(table.absent_due(kWeekEnd - 1s) == kWeekEnd);
  CHECK(table.absent_due(kWeekEnd) == kWeekEnd);  // the caller says nothing any more
  for (const pki::Time now : {kWeek, kWeekEnd - 1s, kWeekEnd, kWeekEnd + 24h}) {
    CHECK(table.overdue(now) == 0);
  }
}

// RFC 6960 2.4: nextUpdate is when newer information will be available. An overdue delta does not
// silence the complete list: RFC 5280 5.2.4 lets it stand alone.
TEST_CASE("freshness: a delta makes newer, not shorter", "[freshness]") {
  const FreshnessTable table({complete(0, kWeek, kWeekEnd), delta(0, kDelta, kDeltaEnd)});
  const Freshness expected{kDelta, kDeltaEnd, kWeekEnd};
  CHECK(table.of(0) == expected);  // on the complete list, and the delta did not take it off
  CHECK(table.of(1) == expected);
  CHECK(table.of_absent() == expected);

  CHECK(expected.due(kDeltaEnd - 1s) == kDeltaEnd);
  CHECK(table.absent_due(kDeltaEnd - 1s) == kDeltaEnd);
  CHECK(table.overdue(kDeltaEnd - 1s) == 0);

  CHECK(expected.due(kDeltaEnd) == kWeekEnd);
  CHECK(table.absent_due(kDeltaEnd) == kWeekEnd);
  CHECK(table.overdue(kDeltaEnd) == 1);
  CHECK(table.overdue(kWeekEnd - 1s) == 1);
  CHECK(table.overdue(kWeekEnd) ==
        0);  // now the complete list is: that is worse, and another count
}

TEST_CASE("freshness: a delta never outlives its complete list, nor makes it older",
          "[freshness]") {
  const FreshnessTable longer({complete(0, kWeek, kWeekEnd), delta(0, kDelta, at(2026, 3, 1))});
  CHECK(longer.of_absent() == Freshness{kDelta, kWeekEnd, kWeekEnd});
  CHECK(longer.overdue(kWeekEnd - 1s) == 0);
  const FreshnessTable older({complete(0, kDelta, kWeekEnd), delta(0, kWeek, kDeltaEnd)});
  CHECK(older.of_absent() == Freshness{kDelta, kDeltaEnd, kWeekEnd});
}

TEST_CASE("freshness: a serial on no list is as old as the oldest of all partitions",
          "[freshness]") {
  const FreshnessTable table({complete(1, kWeek, kWeekEnd), complete(2, kWeek - 1h, kWeekEnd + 1h),
                              complete(3, kWeek + 1h, kWeekEnd - 1h), delta(3, kDelta, kDeltaEnd),
                              delta(1, kDelta + 1h, kDeltaEnd + 1h)});
  CHECK(table.of(0) == Freshness{kDelta + 1h, kDeltaEnd + 1h, kWeekEnd});
  CHECK(table.of(1) == Freshness{kWeek - 1h, kWeekEnd + 1h, kWeekEnd + 1h});  // has no delta
  CHECK(table.of(2) == Freshness{kDelta, kDeltaEnd, kWeekEnd - 1h});
  CHECK(table.of(3) == table.of(2));
  CHECK(table.of(4) == table.of(0));
  CHECK(table.of_absent() == Freshness{kWeek - 1h, kDeltaEnd, kWeekEnd - 1h});

  CHECK(table.absent_due(kDeltaEnd - 1s) == kDeltaEnd);
  CHECK(table.absent_due(kDeltaEnd) == kDeltaEnd + 1h);  // the other delta is still awaited
  CHECK(table.absent_due(kDeltaEnd + 1h) == kWeekEnd - 1h);
  CHECK(table.overdue(kDeltaEnd) == 1);
  CHECK(table.overdue(kDeltaEnd + 1h) == 2);
  CHECK(table.overdue(kWeekEnd - 1h) == 1);  // of scope 3, nothing is in force
}

// Whoever lets that happen, the answer is the careful one, in any order.
TEST_CASE("freshness: two complete lists of one scope are as fresh as the staler", "[freshness]") {
  const std::vector<IndexedList> lists = {complete(0, kWeek, kWeekEnd),
                                          complete(0, kWeek - 1h, kWeekEnd + 1h)};
  const Freshness expected{kWeek - 1h, kWeekEnd, kWeekEnd};
  CHECK(FreshnessTable(lists).of_absent() == expected);
  CHECK(FreshnessTable({lists[1], lists[0]}).of_absent() == expected);
}

TEST_CASE("freshness: a delta without a complete list stands for itself", "[freshness]") {
  const FreshnessTable table({delta(0, kDelta, kDeltaEnd)});
  CHECK(table.of(0) == Freshness{kDelta, kDeltaEnd, kDeltaEnd});
  CHECK(table.overdue(kDeltaEnd) == 0);
}

// JPKI has about 1,900 partitions: what the table answers quickly is what asking each would give.
TEST_CASE("freshness: absent_due and overdue are those of asking every scope", "[freshness]") {
  std::mt19937_64 random(20);
  for (int round = 0; round < 300; ++round) {
    const std::size_t count = 1 + random() % 20;
    const auto hours = [&](std::uint64_t most) { return std::chrono::hours{1 + random() % most}; };
    std::vector<IndexedList> lists;
    for (std::size_t i = 0; i < count; ++i) {
      const pki::Time from = kWeek - hours(20);
      lists.push_back(complete(static_cast<std::uint8_t>(i), from, from + hours(100)));
    }
    for (std::size_t i = 0; i < count; ++i) {
      if (random() % 2 == 0) continue;
      const pki::Time from = kWeek - hours(20);
      lists.push_back(delta(static_cast<std::uint8_t>(i), from, from + hours(50)));
    }
    std::shuffle(lists.begin() + static_cast<std::ptrdiff_t>(count), lists.end(), random);
    const FreshnessTable table(lists);
    for (pki::Time now = kWeek - 20h; now < table.of_absent().end; now += 30min) {
      pki::Time due = pki::Time::max();
      std::size_t overdue = 0;
      for (std::size_t i = 0; i < count; ++i) {
        due = std::min(due, table.of(i).due(now));
        if (table.of(i).next_update <= now) ++overdue;
      }
      REQUIRE(table.absent_due(now) == due);
      REQUIRE(table.overdue(now) == overdue);
    }
  }
}

namespace Catch {

template <>
struct StringMaker<Freshness> {
  static std::string convert(const Freshness& value) {
    return pki::to_string(value.this_update) + " / " + pki::to_string(value.next_update) + " / " +
           pki::to_string(value.end);
  }
};

}  // namespace Catch
