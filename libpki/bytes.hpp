// bytes.hpp: views of bytes, and their text forms (hex, base64). Nothing here knows ASN.1.
#pragma once

#include <algorithm>
#include <cstdint>
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

}  // namespace pki
