// asn1_time.hpp: UTCTime and GeneralizedTime in the only forms that RFC 5280 allows.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "libpki/der.hpp"
#include "libpki/der_writer.hpp"

namespace pki {

// A moment in UTC to the second; leap seconds do not exist here, as in POSIX.
using Time = std::chrono::sys_seconds;

// Reads a time of either type, whatever the year.
//
// UTCTime is YYMMDDHHMMSSZ, and YY below 50 is 20YY (RFC 5280 4.1.2.5.1); GeneralizedTime is
// YYYYMMDDHHMMSSZ without fraction (4.1.2.5.2). Offsets, missing seconds and second 60 are refused.
// Errors: those of Reader::any, bad_tag, bad_time.
[[nodiscard]] Result<Time> read_time(der::Reader& reader, const char* field);

// Reads RFC 5280's Time: UTCTime through 2049, GeneralizedTime from 2050 on.
// Errors: those of read_time, wrong_time_type.
[[nodiscard]] Result<Time> read_pkix_time(der::Reader& reader, const char* field);

// Reads a GeneralizedTime. Errors: those of read_time.
[[nodiscard]] Result<Time> read_generalized_time(der::Reader& reader, const char* field);

// The content of a time, 13 characters of UTCTime or 15 of GeneralizedTime; false if it is none.
// For the walk over CRL entries, which makes its own errors. Cost: about 5 ns.
[[nodiscard]] bool parse_utc_time(const std::uint8_t* text13, Time& out);
[[nodiscard]] bool parse_generalized_time(const std::uint8_t* text15, Time& out);

// Writes a GeneralizedTime (RFC 6960 4.2.2.1 wants this form in responses, whatever the year).
void write_generalized_time(der::Writer& writer, Time time);

// "2026-11-22T00:00:00Z" (RFC 3339), for people.
[[nodiscard]] std::string to_string(Time time);

// The reverse; a date alone is its midnight. Nothing if it is neither.
[[nodiscard]] std::optional<Time> time_from_string(std::string_view text);

}  // namespace pki
