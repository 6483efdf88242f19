// When lists appear, and under which number: a function of the simulated clock alone.
//
// Every scope (all certificates of an authority, or one distribution point) has a complete list
// each day at 00:00 UTC (or more often, where somebody shows a day in a minute) and, if deltas are
// on, a delta each quarter of an hour. Complete lists and deltas of a scope share one sequence of
// numbers; the two of midnight have the same number and say the same (RFC 5280 5.2.3). That delta
// leads from the day before, so its base is always older.
#pragma once

#include <cstdint>

#include "authority/instant.hpp"

namespace authority {

inline constexpr Instant kDeltaInterval = 900;
// An hour of overlap: who fetches late or fails once still has a list in force.
inline constexpr Instant kCompleteLifetime = 25 * kSecondsPerHour;
inline constexpr Instant kDeltaLifetime = kSecondsPerHour;

enum class ListKind : std::uint8_t { complete, delta };

struct Schedule {
  static constexpr int kBaseAgeDaysMax = 14;

  Instant start = 0;      // of the simulated clock; lists of up to 30 days before it have a number
  bool deltas = false;    // whether there are any
  int base_age_days = 0;  // how much older than the newest complete list the base of deltas is
  Instant complete_interval = kSecondsPerDay;  // divides the day; another one only without deltas

  // The newest moment of publication that isn't after `now`.
  [[nodiscard]] Instant newest(ListKind kind, Instant now) const;
  // The complete list that a delta of `moment` leads from: older than the delta.
  [[nodiscard]] Instant base_of(Instant moment) const;
  [[nodiscard]] std::uint64_t number_at(Instant moment) const;
  // Whether `moment` is late enough for a list of it, and its base, to have a number.
  [[nodiscard]] bool has_number(Instant moment) const;
  // Whether anything is published at `moment`.
  [[nodiscard]] bool publishes_at(Instant moment) const;
  [[nodiscard]] Instant interval_of(ListKind kind) const;
};

[[nodiscard]] Instant lifetime_of(ListKind kind);

}  // namespace authority
