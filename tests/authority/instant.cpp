#include "authority/instant.hpp"

#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <optional>

#include "authority/failure.hpp"

namespace authority {
namespace {

using std::chrono::day;
using std::chrono::month;
using std::chrono::sys_days;
using std::chrono::year;
using std::chrono::year_month_day;

// The number in exactly `width` digits at `offset`, if that is what stands there.
std::optional<int> digits_at(std::string_view text, std::size_t offset, std::size_t width) {
  if (offset + width > text.size() || text[offset] == '-') return std::nullopt;
  int number = 0;
  const char* const end = text.data() + offset + width;
  const auto [stop, error] = std::from_chars(text.data() + offset, end, number);
  if (error != std::errc{} || stop != end) return std::nullopt;
  return number;
}

// Seconds east of UTC: "Z" or "+hh:mm" / "-hh:mm".
std::optional<Instant> parse_offset(std::string_view text) {
  if (text == "Z") return 0;
  if (text.size() != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':') return std::nullopt;
  const auto hours = digits_at(text, 1, 2);
  const auto minutes = digits_at(text, 4, 2);
  if (!hours || !minutes || *hours > 23 || *minutes > 59) return std::nullopt;
  const Instant seconds = *hours * kSecondsPerHour + *minutes * Instant{60};
  return text[0] == '+' ? seconds : -seconds;
}

std::optional<Instant> try_parse(std::string_view text) {
  constexpr std::string_view kShape = "dddd-dd-ddTdd:dd:dd";
  if (text.size() <= kShape.size()) return std::nullopt;
  for (std::size_t i = 0; i < kShape.size(); ++i) {
    if (kShape[i] != 'd' && text[i] != kShape[i]) return std::nullopt;
  }
  std::array<int, 6> fields{};
  constexpr std::array<std::size_t, 6> kOffsets{0, 5, 8, 11, 14, 17};
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const auto number = digits_at(text, kOffsets[i], i == 0 ? 4 : 2);
    if (!number) return std::nullopt;
    fields[i] = *number;
  }
  const year_month_day date{year{fields[0]}, month{static_cast<unsigned>(fields[1])},
                            day{static_cast<unsigned>(fields[2])}};
  const auto offset = parse_offset(text.substr(kShape.size()));
  if (!date.ok() || fields[3] > 23 || fields[4] > 59 || fields[5] > 59 || !offset) {
    return std::nullopt;
  }
  return sys_days{date}.time_since_epoch().count() * kSecondsPerDay + fields[3] * kSecondsPerHour +
         fields[4] * Instant{60} + fields[5] - *offset;
}

year_month_day date_of(Instant instant) {
  const auto point = std::chrono::sys_seconds{std::chrono::seconds{instant}};
  return year_month_day{std::chrono::floor<std::chrono::days>(point)};
}

}  // namespace

Instant parse_instant(std::string_view text) {
  if (const auto instant = try_parse(text)) return *instant;
  throw Failure("'" + std::string(text) +
                "' is not a time; write it like 2026-04-01T00:00:00Z or 2026-04-01T09:00:00+09:00");
}

std::string digits_of(Instant instant) {
  const year_month_day date = date_of(instant);
  const Instant second = instant - sys_days{date}.time_since_epoch().count() * kSecondsPerDay;
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%04d%02u%02u%02d%02d%02dZ",
                static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                static_cast<unsigned>(date.day()), static_cast<int>(second / kSecondsPerHour),
                static_cast<int>(second / 60 % 60), static_cast<int>(second % 60));
  return text.data();
}

int year_of(Instant instant) {
  return static_cast<int>(date_of(instant).year());
}

Instant start_of_year(int number) {
  const year_month_day date{year{number}, month{1}, day{1}};
  return sys_days{date}.time_since_epoch().count() * kSecondsPerDay;
}

}  // namespace authority
