// A tiny DER emitter of its own: headers with lengths of any size, and small values put together in
// vectors. Written from X.690 10.1 alone, sharing nothing with the library under test.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <vector>

#include "authority/instant.hpp"

namespace authority {

using Octets = std::vector<std::uint8_t>;
using OctetView = std::span<const std::uint8_t>;

inline constexpr std::uint8_t kInteger = 0x02;
inline constexpr std::uint8_t kBitString = 0x03;
inline constexpr std::uint8_t kOctetString = 0x04;
inline constexpr std::uint8_t kUtcTime = 0x17;
inline constexpr std::uint8_t kGeneralizedTime = 0x18;
inline constexpr std::uint8_t kSequence = 0x30;
inline constexpr std::uint8_t kContext0 = 0xA0;  // [0] EXPLICIT

// Tag and length: 0x30 0x85 0x01 0x02 0x03 0x04 0x05 for a SEQUENCE of 4,328,719,365 octets.
[[nodiscard]] Octets header(std::uint8_t tag, std::uint64_t content_bytes);

// Header and content; the content is the parts one after the other.
[[nodiscard]] Octets element(std::uint8_t tag, std::initializer_list<OctetView> parts);

// UTCTime until 2049, GeneralizedTime from 2050 (RFC 5280 5.1.2.4).
[[nodiscard]] Octets time_element(Instant instant);

// A non-negative INTEGER from its big-endian magnitude, which has no leading zero octet.
[[nodiscard]] Octets integer_element(OctetView magnitude);

}  // namespace authority
