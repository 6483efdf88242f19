// Serial: a certificate serial number as its magnitude, big-endian, without leading zero octets
// (zero is one octet).
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace authority {

inline constexpr std::size_t kSerialOctetsMax = 20;  // RFC 5280 4.1.2.2

struct Serial {
  std::array<std::uint8_t, kSerialOctetsMax> octets{};  // the first `size` count, the rest are zero
  std::uint8_t size = 1;

  [[nodiscard]] static constexpr Serial of(std::uint64_t number) {
    Serial serial;
    int bits = 56;
    while (bits > 0 && number >> static_cast<unsigned>(bits) == 0) bits -= 8;
    serial.size = 0;
    for (; bits >= 0; bits -= 8) {
      serial.octets[serial.size++] =
          static_cast<std::uint8_t>(number >> static_cast<unsigned>(bits));
    }
    return serial;
  }

  // Content octets of its DER INTEGER: one more than `size` if the top bit would read as a sign.
  [[nodiscard]] constexpr std::size_t der_bytes() const { return size + (octets[0] >> 7U); }

  friend constexpr bool operator==(const Serial&, const Serial&) = default;
  friend constexpr std::strong_ordering operator<=>(const Serial& a, const Serial& b) {
    if (a.size != b.size) return a.size <=> b.size;
    return a.octets <=> b.octets;
  }
};

// Hexadecimal, upper or lower case, at most 20 octets, leading zeros allowed. Throws Failure.
[[nodiscard]] Serial parse_serial(std::string_view hexadecimal);

// Uppercase, two digits an octet.
[[nodiscard]] std::string hexadecimal(const Serial& serial);

}  // namespace authority
