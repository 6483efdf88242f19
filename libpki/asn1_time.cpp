#include "libpki/asn1_time.hpp"

#include <cstdio>

namespace pki {
namespace {

using std::chrono::day;
using std::chrono::month;
using std::chrono::year;

// Two decimal digits; 100 or more if they are none, so that one range check finds every fault.
unsigned two_digits(const std::uint8_t* text) {
  const unsigned tens = text[0] - unsigned{'0'};
  const unsigned ones = text[1] - unsigned{'0'};
  return tens > 9 || ones > 9 ? 100 : tens * 10 + ones;
}

// MMDDHHMMSSZ, after the year.
bool parse_after_year(int year_number, const std::uint8_t* text, Time& out) {
  const unsigned mon = two_digits(text);
  const unsigned dom = two_digits(text + 2);
  const unsigned hour = two_digits(text + 4);
  const unsigned minute = two_digits(text + 6);
  const unsigned second = two_digits(text + 8);
  const std::chrono::year_month_day date{year{year_number}, month{mon}, day{dom}};
  if (mon > 12 || dom > 31 || !date.ok()) return false;
  if (hour > 23 || minute > 59 || second > 59 || text[10] != 'Z') return false;
  out = std::chrono::sys_days{date} + std::chrono::seconds{hour * 3600 + minute * 60 + second};
  return true;
}

Result<Time> time_of(const der::Reader& reader, const der::Element& element, const char* field) {
  Time time;
  const Bytes text = element.content;
  const bool ok = element.tag == der::Tag::utc_time
                      ? text.size() == 13 && parse_utc_time(text.data(), time)
                      : text.size() == 15 && parse_generalized_time(text.data(), time);
  if (!ok) return reader.error_at(element, Errc::bad_time, field);
  return time;
}

constexpr Time kYear2050 = std::chrono::sys_days{year{2050} / 1 / 1};

}  // namespace

bool parse_utc_time(const std::uint8_t* text13, Time& out) {
  const unsigned yy = two_digits(text13);
  if (yy > 99) return false;
  return parse_after_year(static_cast<int>(yy < 50 ? 2000 + yy : 1900 + yy), text13 + 2, out);
}

bool parse_generalized_time(const std::uint8_t* text15, Time& out) {
  const unsigned century = two_digits(text15);
  const unsigned yy = two_digits(text15 + 2);
  if (century > 99 || yy > 99) return false;
  return parse_after_year(static_cast<int>(century * 100 + yy), text15 + 4, out);
}

Result<Time> read_time(der::Reader& reader, const char* field) {
  const bool is_utc = reader.next_is(der::Tag::utc_time);
  const der::Tag tag = is_utc ? der::Tag::utc_time : der::Tag::generalized_time;
  PKI_TRY_ASSIGN(const der::Element element, reader.read(tag, field));
  return time_of(reader, element, field);
}

Result<Time> read_pkix_time(der::Reader& reader, const char* field) {
  const bool is_utc = reader.next_is(der::Tag::utc_time);
  const std::uint64_t at = reader.offset();
  PKI_TRY_ASSIGN(const Time time, read_time(reader, field));
  if (!is_utc && time < kYear2050) return Error{Errc::wrong_time_type, at, field};
  return time;
}

Result<Time> read_generalized_time(der::Reader& reader, const char* field) {
  PKI_TRY_ASSIGN(const der::Element element, reader.read(der::Tag::generalized_time, field));
  return time_of(reader, element, field);
}

void write_generalized_time(der::Writer& writer, Time time) {
  const auto days = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{days};
  const std::chrono::hh_mm_ss clock{time - days};
  const auto put = [](std::uint8_t* at, unsigned value) {
    at[0] = static_cast<std::uint8_t>('0' + value / 10);
    at[1] = static_cast<std::uint8_t>('0' + value % 10);
  };
  std::array<std::uint8_t, 15> text{};
  const unsigned year_number = static_cast<unsigned>(static_cast<int>(date.year()));
  put(&text[0], year_number / 100);
  put(&text[2], year_number % 100);
  put(&text[4], unsigned{date.month()});
  put(&text[6], unsigned{date.day()});
  put(&text[8], static_cast<unsigned>(clock.hours().count()));
  put(&text[10], static_cast<unsigned>(clock.minutes().count()));
  put(&text[12], static_cast<unsigned>(clock.seconds().count()));
  text[14] = 'Z';
  writer.primitive(der::Tag::generalized_time, text);
}

std::string to_string(Time time) {
  const auto days = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{days};
  const std::chrono::hh_mm_ss clock{time - days};
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02dZ", int{date.year()},
                unsigned{date.month()}, unsigned{date.day()},
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()));
  return text.data();
}

std::optional<Time> time_from_string(std::string_view text) {
  std::string whole(text);
  constexpr std::string_view kForm = "0000-00-00T00:00:00Z";
  constexpr std::size_t kDate = 10;
  if (whole.size() == kDate) whole += kForm.substr(kDate);
  if (whole.size() != kForm.size()) return std::nullopt;
  std::string digits;
  for (std::size_t i = 0; i < kForm.size(); ++i) {
    if (kForm[i] == '0') {
      digits += whole[i];
    } else if (whole[i] != kForm[i]) {
      return std::nullopt;
    }
  }
  digits += 'Z';
  Time time;
  const auto* octets = reinterpret_cast<const std::uint8_t*>(digits.data());
  if (!parse_generalized_time(octets, time)) return std::nullopt;
  return time;
}

}  // namespace pki
