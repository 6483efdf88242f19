// Instant: a moment in whole seconds since 1970-01-01T00:00:00Z, read from RFC 3339 and written as
// an ASN.1 Time. The clock itself is read in main.cpp only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace authority {

using Instant = std::int64_t;

inline constexpr Instant kSecondsPerHour = 3600;
inline constexpr Instant kSecondsPerDay = 86400;

// "2026-04-01T00:00:00Z" or with an offset, "2026-04-01T09:00:00+09:00". Throws Failure on anything
// else.
[[nodiscard]] Instant parse_instant(std::string_view text);

// "YYYYMMDDHHMMSSZ".
[[nodiscard]] std::string digits_of(Instant instant);

// The year of the instant in UTC, and the first moment of a year.
[[nodiscard]] int year_of(Instant instant);
[[nodiscard]] Instant start_of_year(int year);

}  // namespace authority
