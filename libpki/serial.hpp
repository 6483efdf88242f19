// serial.hpp: certificate serial numbers, and the key under which the index keeps them.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

#include "libpki/der.hpp"

namespace pki {

inline constexpr std::size_t kSerialOctetsMax = 20;

// A serial number as it stands in DER: two's complement, shortest form, 1 to 21 content octets (21
// only where the first is the zero that keeps twenty octets positive). RFC 5280 4.1.2.2 wants
// positive numbers of at most 20 octets, and asks for grace where a CA issued zero or a negative
// one.
//
// Reads CertificateSerialNumber ::= INTEGER. Errors: those of Reader::read, bad_integer,
// serial_too_long.
[[nodiscard]] Result<Bytes> read_serial(der::Reader& reader, const char* field);

// SerialKey is a serial number in the form in which the index sorts it.
//
// Serials are told apart by `group` (sign and width), then by (lead, tail). The mapping is one to
// one:
//   - a magnitude of up to 8 octets makes a 64-bit number, with no tail;
//   - a longer one of w octets is split into its last 8 octets and the w - 8 before them, the tail;
//     the lead is the last 8 octets plus a hash of the tail.
// The lead is then mixed, invertibly, so that running counters, common prefixes and random numbers
// all end up spread evenly over 64 bits: that is what lets a fence find them in one step.
// A negative serial is a group of its own, so -1 and 255 (both end in FF) never meet.
struct SerialKey {
  static constexpr std::size_t kTailMax = kSerialOctetsMax - 8;

  // Groups 0 to 12 hold serials from zero upwards: 0 those of up to 8 octets, g > 0 those of 8 + g.
  // Groups 13 to 25 hold the negative ones in the same order.
  static constexpr std::size_t kNegative = 13;
  static constexpr std::size_t kGroupCount = 26;

  std::uint8_t group = 0;
  std::uint64_t lead = 0;
  std::array<std::uint8_t, kTailMax> tail{};

  [[nodiscard]] std::size_t tail_size() const { return tail_size_of(group); }
  [[nodiscard]] static constexpr std::size_t tail_size_of(std::size_t group) {
    return group < kNegative ? group : group - kNegative;
  }

  // From DER content octets that read_serial accepted. Cost: 2 ns up to 8 octets, 5 ns above.
  [[nodiscard]] static SerialKey from_der(Bytes content);

  // The DER content octets back; the result holds 1 to 21.
  [[nodiscard]] std::vector<std::uint8_t> to_der() const;

  friend bool operator==(const SerialKey&, const SerialKey&) = default;
};

// "0132c4ab", "-01": the number in hex, at least one octet, for people.
[[nodiscard]] std::string serial_to_string(Bytes content);

// The reverse: hex digits, with or without 0x and colons; a leading '-' negates. Returns DER
// content octets, or bad_integer / serial_too_long.
[[nodiscard]] Result<std::vector<std::uint8_t>> serial_from_string(std::string_view text);

}  // namespace pki
