// Days as Japan counts them (JST, UTC+9 without summer time), and RFC 3339 text.
#pragma once

#include <string>

#include "authority/instant.hpp"

namespace authority {

struct CivilDate {
  int year = 1970;
  unsigned month = 1;
  unsigned day = 1;

  friend auto operator<=>(const CivilDate&, const CivilDate&) = default;
};

// The day in Japan at that moment, and the moment at which a day begins there.
[[nodiscard]] CivilDate japanese_date(Instant instant);
[[nodiscard]] Instant start_of_japanese_day(const CivilDate& date);

// The same day `years` later; 29 February becomes 28 February in a common year.
[[nodiscard]] CivilDate add_years(const CivilDate& date, int years);

// The day after, whatever the month.
[[nodiscard]] CivilDate day_after(const CivilDate& date);

// Whether the calendar has it.
[[nodiscard]] bool exists(const CivilDate& date);

// "2026-04-01T00:00:00Z".
[[nodiscard]] std::string rfc3339(Instant instant);

}  // namespace authority
