#include "authority/civil_time.hpp"

#include <chrono>

namespace authority {
namespace {

constexpr Instant kJapanOffset = 9 * kSecondsPerHour;

std::chrono::year_month_day to_chrono(const CivilDate& date) {
  return {std::chrono::year{date.year}, std::chrono::month{date.month}, std::chrono::day{date.day}};
}

CivilDate from_chrono(const std::chrono::year_month_day& date) {
  return {static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
          static_cast<unsigned>(date.day())};
}

}  // namespace

CivilDate japanese_date(Instant instant) {
  const std::chrono::sys_seconds there{std::chrono::seconds{instant + kJapanOffset}};
  return from_chrono(std::chrono::floor<std::chrono::days>(there));
}

Instant start_of_japanese_day(const CivilDate& date) {
  const std::chrono::sys_days day{to_chrono(date)};
  return day.time_since_epoch().count() * kSecondsPerDay - kJapanOffset;
}

CivilDate add_years(const CivilDate& date, int years) {
  CivilDate later{date.year + years, date.month, date.day};
  if (!exists(later)) later.day = 28;
  return later;
}

CivilDate day_after(const CivilDate& date) {
  return japanese_date(start_of_japanese_day(date) + kSecondsPerDay);
}

bool exists(const CivilDate& date) {
  return to_chrono(date).ok();
}

std::string rfc3339(Instant instant) {
  const std::string digits = digits_of(instant);  // YYYYMMDDHHMMSSZ
  std::string text;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i == 4 || i == 6) text += '-';
    if (i == 8) text += 'T';
    if (i == 10 || i == 12) text += ':';
    text += digits[i];
  }
  return text;
}

}  // namespace authority
