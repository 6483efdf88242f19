#include "libpki/japan_time.hpp"

namespace pki {
namespace {

using std::chrono::days;
using std::chrono::seconds;
using std::chrono::sys_days;
using std::chrono::year_month_day;

constexpr std::chrono::hours kJapan{9};
constexpr std::size_t kUtcForm = std::string_view("2026-11-21T15:00:00Z").size();

// "+09:00" as a duration.
std::optional<seconds> offset_from_string(std::string_view text) {
  constexpr std::string_view kForm = "+00:00";
  if (text.size() != kForm.size() || (text[0] != '+' && text[0] != '-')) return std::nullopt;
  for (std::size_t i = 1; i < kForm.size(); ++i) {
    const bool is_digit = text[i] >= '0' && text[i] <= '9';
    if (kForm[i] == ':' ? text[i] != ':' : !is_digit) return std::nullopt;
  }
  const auto number = [&](std::size_t at) { return (text[at] - '0') * 10 + (text[at + 1] - '0'); };
  if (number(1) > 23 || number(4) > 59 || text == "-00:00") return std::nullopt;
  const seconds offset{number(1) * 3600 + number(4) * 60};
  return text[0] == '-' ? -offset : offset;
}

}  // namespace

year_month_day japanese_date(Time time) {
  return std::chrono::floor<days>(time + kJapan);
}

Time start_of_japanese_day(year_month_day date) {
  return sys_days{date} - kJapan;
}

ConsentTerm consent_term(Time start) {
  const sys_days first = sys_days{japanese_date(start)} + days{1};
  const year_month_day answering = year_month_day{first} + std::chrono::years{kConsentYears};
  // The day after the last one. A 29 February that is not there ends with its month.
  const sys_days end =
      answering.ok() ? sys_days{answering}
                     : sys_days{answering.year() / answering.month() / std::chrono::last} + days{1};
  return {start_of_japanese_day(first), start_of_japanese_day(end) - seconds{1}};
}

std::string time_to_rfc3339(Time time) {
  return to_string(time);
}

std::optional<Time> time_from_rfc3339(std::string_view text) {
  if (text.size() != kUtcForm) return std::nullopt;  // a date alone is none
  return time_from_string(text);
}

std::optional<Time> time_from_rfc3339_with_offset(std::string_view text) {
  if (text.ends_with('Z')) return time_from_rfc3339(text);
  if (text.size() < kUtcForm) return std::nullopt;
  std::string local(text.substr(0, kUtcForm - 1));
  local.push_back('Z');
  const auto time = time_from_rfc3339(local);
  const auto offset = offset_from_string(text.substr(kUtcForm - 1));
  if (!time || !offset) return std::nullopt;
  return *time - *offset;
}

}  // namespace pki
