// bytes.hpp: views of bytes, and their text forms (hex, base64, UTF-8). Nothing here knows ASN.1.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libpki/error.hpp"

namespace pki {

// A view of bytes that somebody else owns.
using Bytes = std::span<const std::uint8_t>;

[[nodiscard]] inline bool equal(Bytes a, Bytes b) {
  return std::ranges::equal(a, b);
}

[[nodiscard]] inline std::vector<std::uint8_t> to_vector(Bytes bytes) {
  return {bytes.begin(), bytes.end()};
}

[[nodiscard]] Bytes as_bytes(std::string_view text);

// Lower-case hex, two digits an octet, no separators.
[[nodiscard]] std::string to_hex(Bytes bytes);

// Decodes hex of either case; an odd digit count means a leading zero. Empty on any other
// character.
[[nodiscard]] std::vector<std::uint8_t> from_hex(std::string_view text);

[[nodiscard]] std::string to_base64(Bytes bytes);

// Decodes base64 (RFC 4648 section 4) and base64url (section 5), also mixed.
//
// Lenient where OCSP clients differ: padding may be missing. Strict in all else: no white space, no
// padding in the middle, no impossible length, and unused bits must be zero, so that one byte
// string has one spelling per alphabet. Appends to `out`, at most text.size() * 3 / 4 bytes. Error:
// bad_base64, offset in `text`.
[[nodiscard]] Result<void> decode_base64(std::string_view text, std::vector<std::uint8_t>& out);

// base64url (RFC 4648 section 5) as JOSE writes it: no padding (RFC 7515 section 2).
[[nodiscard]] std::string to_base64url(Bytes bytes);

// Decodes exactly that: its own alphabet only, no padding, unused bits zero. Appends to `out`.
// Error: bad_base64, offset in `text`.
[[nodiscard]] Result<void> decode_base64url(std::string_view text, std::vector<std::uint8_t>& out);

// Compares in a time that depends on the lengths alone.
[[nodiscard]] bool equal_in_constant_time(Bytes a, Bytes b);

// The number of Unicode code points; nothing if the text is not UTF-8 (RFC 3629: no surrogates, no
// overlong forms, nothing above U+10FFFF). A variation selector is a code point of its own.
[[nodiscard]] std::optional<std::size_t> count_code_points(std::string_view text);

}  // namespace pki
