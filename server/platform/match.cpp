#include "server/platform/match.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "libpki/bytes.hpp"
#include "libpki/jpki_profile.hpp"

namespace server {
namespace {

// Longer than anything that is compared: 512 characters of four octets.
constexpr std::size_t kCompared = 2048;

void append_utf8(std::string& out, std::uint32_t point) {
  if (point < 0x80) {
    out += static_cast<char>(point);
  } else if (point < 0x800) {
    out += static_cast<char>(0xC0 | point >> 6);
    out += static_cast<char>(0x80 | (point & 0x3F));
  } else if (point < 0x10000) {
    out += static_cast<char>(0xE0 | point >> 12);
    out += static_cast<char>(0x80 | (point >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (point & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | point >> 18);
    out += static_cast<char>(0x80 | (point >> 12 & 0x3F));
    out += static_cast<char>(0x80 | (point >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (point & 0x3F));
  }
}

// Of UTF-8 that was checked before; what is none is taken octet by octet.
std::uint32_t next_point(std::string_view text, std::size_t& at) {
  const auto octet = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint32_t first = octet(at);
  const std::size_t length = first < 0xC0 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  if (length == 1 || at + length > text.size()) return octet(at++);
  std::uint32_t point = first & (0xFFU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) point = point << 6 | (octet(at + i) & 0x3FU);
  at += length;
  return point;
}

std::uint32_t fold(std::uint32_t point) {
  if (point >= 0xFF01 && point <= 0xFF5E) point -= 0xFEE0;
  const bool is_dash =
      (point >= 0x2010 && point <= 0x2015) || point == 0x2212 || point == 0x30FC || point == 0xFF70;
  if (is_dash) return '-';
  if (point >= 'a' && point <= 'z') return point - ('a' - 'A');
  return point;
}

struct Side {
  std::string text;
  bool is_certain = true;  // complete, and without substitutes
};

// Every comparison looks at the same number of octets.
bool agree(std::string_view a, std::string_view b) {
  std::array<std::uint8_t, kCompared> left{};
  std::array<std::uint8_t, kCompared> right{};
  std::copy_n(a.begin(), std::min(a.size(), kCompared), left.begin());
  std::copy_n(b.begin(), std::min(b.size(), kCompared), right.begin());
  const bool out = pki::equal_in_constant_time(left, right) && a.size() == b.size();
  wipe(left.data(), left.size());
  wipe(right.data(), right.size());
  return out;
}

std::string verdict(const std::optional<Redacted<std::string>>& value,
                    const std::optional<Side>& item) {
  const Redacted<std::string> ours = normalised(value ? value->reveal() : "");
  const Redacted<std::string> theirs = normalised(item ? item->text : "");
  const bool is_equal = agree(ours.reveal(), theirs.reveal());
  if (!item) return "not_available";
  if (is_equal) return "match";
  return item->is_certain ? "mismatch" : "indeterminate";
}

std::optional<Side> side_of(const std::optional<MappedText>& item) {
  if (!item) return std::nullopt;
  return Side{item->text.reveal(), item->map.reveal().find('1') == std::string::npos};
}

std::optional<Side> birthdate_side(const std::optional<Redacted<std::string>>& item) {
  if (!item) return std::nullopt;
  const auto parsed = pki::parse_birthdate(item->reveal());
  if (!parsed || !parsed->year || !parsed->month || !parsed->day) return Side{"", false};
  return Side{fmt::format("{:04}-{:02}-{:02}", *parsed->year, *parsed->month, *parsed->day), true};
}

std::optional<Side> gender_side(const std::optional<Redacted<std::string>>& item) {
  if (!item) return std::nullopt;
  const std::string& sex = item->reveal();
  return Side{sex == "1" ? "male" : sex == "2" ? "female" : "unknown", sex == "1" || sex == "2"};
}

}  // namespace

Redacted<std::string> normalised(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const std::uint32_t point = next_point(text, at);
    if (point == ' ' || point == 0x3000 || point == 0xA0) continue;
    append_utf8(out, fold(point));
  }
  return Redacted<std::string>(std::move(out));
}

bool is_day_of_register(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return false;
  const auto number = [&](std::size_t from, std::size_t size) {
    int out = 0;
    for (const char c : text.substr(from, size)) {
      if (c < '0' || c > '9') return 0;
      out = out * 10 + (c - '0');
    }
    return out;
  };
  const int month = number(5, 2);
  const int day = number(8, 2);
  return number(0, 4) >= 1 && month >= 1 && month <= 12 && day >= 1 && day <= 31;
}

std::vector<std::string> MatchValues::names() const {
  std::vector<std::string> out;
  if (name) out.emplace_back("name");
  if (address) out.emplace_back("address");
  if (birthdate) out.emplace_back("birthdate");
  if (gender) out.emplace_back("gender");
  return out;
}

nlohmann::ordered_json compare_values(const MatchValues& values, const FourInformation& items) {
  const std::string name = verdict(values.name, side_of(items.name));
  const std::string address = verdict(values.address, side_of(items.address));
  const std::string birthdate = verdict(values.birthdate, birthdate_side(items.birthdate));
  const std::string gender = verdict(values.gender, gender_side(items.sex));
  nlohmann::ordered_json out = nlohmann::ordered_json::object();
  if (values.name) out["name"] = name;
  if (values.address) out["address"] = address;
  if (values.birthdate) out["birthdate"] = birthdate;
  if (values.gender) out["gender"] = gender;
  return out;
}

}  // namespace server
