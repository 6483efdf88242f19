#include "authority/schedule.hpp"

#include <algorithm>

namespace authority {
namespace {

constexpr Instant kNumberedDaysBeforeStart = 30;

Instant round_down(Instant moment, Instant interval) {
  return moment - moment % interval;
}

Instant first_numbered(Instant start) {
  return round_down(start, kSecondsPerDay) - kNumberedDaysBeforeStart * kSecondsPerDay;
}

}  // namespace

Instant Schedule::newest(ListKind kind, Instant now) const {
  return round_down(now, interval_of(kind));
}

Instant Schedule::base_of(Instant moment) const {
  return round_down(moment - 1, kSecondsPerDay) - base_age_days * kSecondsPerDay;
}

std::uint64_t Schedule::number_at(Instant moment) const {
  const Instant step = std::min(kDeltaInterval, complete_interval);
  return static_cast<std::uint64_t>((moment - first_numbered(start)) / step) + 1;
}

bool Schedule::has_number(Instant moment) const {
  return base_of(moment) >= first_numbered(start);
}

bool Schedule::publishes_at(Instant moment) const {
  return moment % (deltas ? kDeltaInterval : complete_interval) == 0;
}

Instant lifetime_of(ListKind kind) {
  return kind == ListKind::complete ? kCompleteLifetime : kDeltaLifetime;
}

Instant Schedule::interval_of(ListKind kind) const {
  return kind == ListKind::complete ? complete_interval : kDeltaInterval;
}

}  // namespace authority
