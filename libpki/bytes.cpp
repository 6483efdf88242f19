#include "libpki/bytes.hpp"

#include <array>

namespace pki {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";
constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t kNoDigit = 0xFF;

// Both alphabets of RFC 4648: '-' and '_' stand for '+' and '/'.
constexpr std::array<std::uint8_t, 256> kBase64Value = [] {
  std::array<std::uint8_t, 256> table{};
  table.fill(kNoDigit);
  for (std::size_t i = 0; i < kBase64.size(); ++i) {
    table[static_cast<std::uint8_t>(kBase64[i])] = static_cast<std::uint8_t>(i);
  }
  table[static_cast<std::uint8_t>('-')] = 62;
  table[static_cast<std::uint8_t>('_')] = 63;
  return table;
}();

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::string to_hex(Bytes bytes) {
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const std::uint8_t byte : bytes) {
    text.push_back(kHexDigits[byte >> 4]);
    text.push_back(kHexDigits[byte & 15]);
  }
  return text;
}

std::vector<std::uint8_t> from_hex(std::string_view text) {
  std::vector<std::uint8_t> bytes((text.size() + 1) / 2, 0);
  std::size_t nibble = text.size() % 2;  // an odd count starts in the low half of the first octet
  for (const char c : text) {
    const int value = hex_value(c);
    if (value < 0) return {};
    const int shifted = nibble % 2 == 0 ? value << 4 : value;
    bytes[nibble / 2] = static_cast<std::uint8_t>(bytes[nibble / 2] | shifted);
    ++nibble;
  }
  return bytes;
}

std::string to_base64(Bytes bytes) {
  std::string text((bytes.size() + 2) / 3 * 4, '=');
  std::size_t at = 0;
  for (std::size_t i = 0; i < bytes.size(); i += 3, at += 4) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k) group = group << 8 | (k < count ? bytes[i + k] : 0U);
    for (std::size_t k = 0; k <= count; ++k) text[at + k] = kBase64[group >> (18 - 6 * k) & 63];
  }
  return text;
}

Result<void> decode_base64(std::string_view text, std::vector<std::uint8_t>& out) {
  const std::size_t digits =
      text.find('=') == std::string_view::npos ? text.size() : text.find('=');
  const std::size_t padding = text.size() - digits;
  const std::size_t rest = digits % 4;
  const bool padding_fits = padding == 0 || (rest != 0 && padding == 4 - rest);
  if (rest == 1 || !padding_fits) return Error{Errc::bad_base64, digits, "base64"};

  out.reserve(out.size() + text.size() * 3 / 4);
  std::uint32_t group = 0;
  for (std::size_t i = 0; i < digits; ++i) {
    const std::uint8_t value = kBase64Value[static_cast<std::uint8_t>(text[i])];
    if (value == kNoDigit) return Error{Errc::bad_base64, i, "base64"};
    group = group << 6 | value;
    if (i % 4 == 3) {
      out.push_back(static_cast<std::uint8_t>(group >> 16));
      out.push_back(static_cast<std::uint8_t>(group >> 8));
      out.push_back(static_cast<std::uint8_t>(group));
      group = 0;
    }
  }
  if (rest == 2) {
    if ((group & 0x0F) != 0) return Error{Errc::bad_base64, digits - 1, "base64"};
    out.push_back(static_cast<std::uint8_t>(group >> 4));
  } else if (rest == 3) {
    if ((group & 0x03) != 0) return Error{Errc::bad_base64, digits - 1, "base64"};
    out.push_back(static_cast<std::uint8_t>(group >> 10));
    out.push_back(static_cast<std::uint8_t>(group >> 2));
  }
  for (std::size_t i = digits; i < text.size(); ++i) {
    if (text[i] != '=') return Error{Errc::bad_base64, i, "base64"};
  }
  return {};
}

std::string to_base64url(Bytes bytes) {
  std::string text = to_base64(bytes);
  text.resize(std::min(text.size(), text.find('=')));
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  return text;
}

Result<void> decode_base64url(std::string_view text, std::vector<std::uint8_t>& out) {
  const std::size_t foreign = text.find_first_of("+/=");
  if (foreign != std::string_view::npos) return Error{Errc::bad_base64, foreign, "base64url"};
  return decode_base64(text, out);
}

bool equal_in_constant_time(Bytes a, Bytes b) {
  if (a.size() != b.size()) return false;
  // Volatile, so that the compiler does not leave the loop early.
  volatile std::uint8_t difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference = static_cast<std::uint8_t>(difference | (a[i] ^ b[i]));
  }
  return difference == 0;
}

// RFC 3629 section 4. The second octet alone can make a form overlong, a surrogate, or too large.
std::optional<std::size_t> count_code_points(std::string_view text) {
  const Bytes octets = as_bytes(text);
  std::size_t count = 0;
  for (std::size_t i = 0; i < octets.size(); ++count) {
    const std::uint8_t lead = octets[i];
    if (lead < 0x80) {
      ++i;
      continue;
    }
    const std::size_t size = lead >= 0xC2 && lead < 0xE0   ? 2
                             : lead >= 0xE0 && lead < 0xF0 ? 3
                             : lead >= 0xF0 && lead < 0xF5 ? 4
                                                           : 0;
    if (size == 0 || octets.size() - i < size) return std::nullopt;
    for (std::size_t k = 1; k < size; ++k) {
      if ((octets[i + k] & 0xC0) != 0x80) return std::nullopt;
    }
    const std::uint8_t second = size > 2 ? octets[i + 1] : 0x80;
    const bool is_overlong = (lead == 0xE0 && second < 0xA0) || (lead == 0xF0 && second < 0x90);
    const bool is_outside = (lead == 0xED && second > 0x9F) || (lead == 0xF4 && second > 0x8F);
    if (is_overlong || is_outside) return std::nullopt;
    i += size;
  }
  return count;
}

}  // namespace pki
