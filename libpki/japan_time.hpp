// japan_time.hpp: the civil calendar of Japan (UTC+9, no summer time since 1951), and RFC 3339
// texts. All rules that count days, not seconds, are here. It must not know the clock.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "libpki/asn1_time.hpp"

namespace pki {

// The day that it is in Japan at a moment, and the moment at which a day begins there.
[[nodiscard]] std::chrono::year_month_day japanese_date(Time time);
[[nodiscard]] Time start_of_japanese_day(std::chrono::year_month_day date);

struct ConsentTerm {
  Time valid_from;   // 00:00:00 in Japan of the day after
  Time valid_until;  // 23:59:59 in Japan of the last day: the last second of the term

  friend bool operator==(const ConsentTerm&, const ConsentTerm&) = default;
};

inline constexpr int kConsentYears = 10;

// The term of a consent given at `start` (which moment that is, receipt or reflection, is the
// caller's rule): ten years from the day after. Received 2023-05-18 10:00:00, it lasts from
// 2023-05-19 00:00:00 to 2033-05-18 23:59:59 (the guideline's own example).
//
// Civil Code article 143(2): a term of years ends with the day before the one that answers to its
// first day; if there is no such day, with the last day of that month. Hence, for leap years:
//   given    first day   last day
//   24-02-28 24-02-29    34-02-28   there is no 29 February 2034: the month's last day
//   24-02-29 24-03-01    34-02-28   the day before 1 March
//   22-02-28 22-03-01    32-02-29   the day before 1 March, of a leap year
[[nodiscard]] ConsentTerm consent_term(Time start);

// "2026-11-21T15:00:00Z" (RFC 3339), the form of every time in the API.
[[nodiscard]] std::string time_to_rfc3339(Time time);

// Reads exactly that form: 20 characters, capital T and Z, no fraction, no second 60.
[[nodiscard]] std::optional<Time> time_from_rfc3339(std::string_view text);

// The same, or with an offset in place of the Z: "2026-11-22T00:00:00+09:00", at most 23:59 either
// way. "-00:00", which RFC 3339 gives to unknown places, is refused. For what others send.
[[nodiscard]] std::optional<Time> time_from_rfc3339_with_offset(std::string_view text);

}  // namespace pki
