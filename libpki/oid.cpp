#include "libpki/oid.hpp"

#include <charconv>

namespace pki {
namespace {

constexpr std::size_t kOctetsMax = 64;

// Sub-identifiers: base 128, most significant first, the top bit set but in the last
// (X.690 8.19.2).
void append_component(std::vector<std::uint8_t>& out, std::uint64_t value) {
  std::array<std::uint8_t, 10> digits{};
  std::size_t count = 0;
  do {
    digits[count] = static_cast<std::uint8_t>((value & 0x7F) | (count == 0 ? 0 : 0x80));
    value >>= 7;
    ++count;
  } while (value != 0);
  while (count > 0) out.push_back(digits[--count]);
}

// A decimal number in its shortest form, and what follows it.
std::optional<std::uint64_t> take_number(std::string_view& text) {
  std::uint64_t value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string_view digits = text.substr(0, static_cast<std::size_t>(end - text.data()));
  if (failure != std::errc{} || (digits.size() > 1 && digits[0] == '0')) return std::nullopt;
  text.remove_prefix(digits.size());
  return value;
}

}  // namespace

std::string oid_to_string(Bytes content) {
  const std::string as_hex = "#" + to_hex(content);
  std::string text;
  std::uint64_t value = 0;
  bool is_inside = false;  // of a component
  for (const std::uint8_t octet : content) {
    if (value > UINT64_MAX >> 7 || (!is_inside && octet == 0x80)) return as_hex;
    value = value << 7 | (octet & 0x7FU);
    is_inside = (octet & 0x80) != 0;
    if (is_inside) continue;
    if (text.empty()) {  // the first two share one: 40 * first + second
      const std::uint64_t first = std::min<std::uint64_t>(value / 40, 2);
      text = std::to_string(first);
      value -= first * 40;
    }
    text.append(".").append(std::to_string(value));
    value = 0;
  }
  return is_inside || text.empty() ? as_hex : text;
}

std::optional<std::vector<std::uint8_t>> oid_from_string(std::string_view dotted) {
  std::vector<std::uint8_t> content;
  const auto first = take_number(dotted);
  if (!first || *first > 2 || !dotted.starts_with('.')) return std::nullopt;
  for (bool is_second = true; !dotted.empty(); is_second = false) {
    dotted.remove_prefix(1);
    const auto number = take_number(dotted);
    if (!number || !(dotted.empty() || dotted.starts_with('.'))) return std::nullopt;
    if (is_second && ((*first < 2 && *number > 39) || *number > UINT64_MAX - 80)) {
      return std::nullopt;
    }
    append_component(content, is_second ? *first * 40 + *number : *number);
    if (content.size() > kOctetsMax) return std::nullopt;
  }
  return content;
}

}  // namespace pki
