#include "libpki/serial.hpp"

#include <bit>

namespace pki {
namespace {

// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): a bijection of 64 bits whose every output
// bit depends on every input bit. It is part of the index format.
constexpr std::uint64_t mix(std::uint64_t x) {
  x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9;
  x = (x ^ x >> 27) * 0x94D049BB133111EB;
  return x ^ x >> 31;
}

constexpr std::uint64_t unmix(std::uint64_t x) {
  x = (x ^ x >> 31 ^ x >> 62) * 0x319642B2D24D8EC3;
  x = (x ^ x >> 27 ^ x >> 54) * 0x96DE1B173F119089;
  return x ^ x >> 30 ^ x >> 60;
}
static_assert(unmix(mix(0x0123456789ABCDEF)) == 0x0123456789ABCDEF);

std::uint64_t big_endian(const std::uint8_t* octets, std::size_t count) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < count; ++i) value = value << 8 | octets[i];
  return value;
}

std::uint64_t hash_tail(const std::array<std::uint8_t, SerialKey::kTailMax>& tail) {
  std::uint64_t high = 0;
  std::uint32_t low = 0;
  std::memcpy(&high, tail.data(), 8);
  std::memcpy(&low, tail.data() + 8, 4);
  return mix(high + 0x9E3779B97F4A7C15) + mix(low ^ 0xD1B54A32D192ED03);
}
static_assert(std::endian::native == std::endian::little, "the index format is little-endian");

// Two's complement negation in place.
void negate(std::vector<std::uint8_t>& octets) {
  unsigned carry = 1;
  for (auto octet = octets.rbegin(); octet != octets.rend(); ++octet) {
    carry += static_cast<std::uint8_t>(~*octet);
    *octet = static_cast<std::uint8_t>(carry);
    carry >>= 8;
  }
}

// Drops leading octets that only repeat the sign (X.690 8.3.2).
void shorten(std::vector<std::uint8_t>& octets) {
  std::size_t drop = 0;
  while (drop + 1 < octets.size() && (octets[drop] == 0x00 || octets[drop] == 0xFF) &&
         (octets[drop] & 0x80) == (octets[drop + 1] & 0x80)) {
    ++drop;
  }
  octets.erase(octets.begin(), octets.begin() + static_cast<std::ptrdiff_t>(drop));
}

}  // namespace

Result<Bytes> read_serial(der::Reader& reader, const char* field) {
  PKI_TRY_ASSIGN(const der::Element element, reader.read(der::Tag::integer, field));
  PKI_TRY_ASSIGN(const Bytes content, der::integer(reader, element, field));
  const std::size_t padding = content[0] == 0 ? 1 : 0;
  if (content.size() - padding > kSerialOctetsMax) {
    return reader.error_at(element, Errc::serial_too_long, field);
  }
  return content;
}

SerialKey SerialKey::from_der(Bytes content) {
  SerialKey key;
  const bool negative = (content[0] & 0x80) != 0;
  if (content[0] == 0) content = content.subspan(1);  // the sign octet, or zero itself
  if (content.size() <= 8) {
    std::uint64_t value = big_endian(content.data(), content.size());
    if (negative) {
      key.group = kNegative;
      if (content.size() < 8) value |= ~std::uint64_t{0} << (8 * content.size());  // sign extension
    }
    key.lead = mix(value);
    return key;
  }
  const std::size_t tail = content.size() - 8;
  key.group = static_cast<std::uint8_t>(tail + (negative ? kNegative : 0));
  std::memcpy(key.tail.data(), content.data(), tail);
  key.lead = mix(big_endian(content.data() + tail, 8) + hash_tail(key.tail));
  return key;
}

std::vector<std::uint8_t> SerialKey::to_der() const {
  const bool negative = group >= kNegative;
  std::uint64_t value = unmix(lead);
  if (tail_size() > 0) value -= hash_tail(tail);

  // A sign octet, dropped below where it says nothing new; the tail; the last eight.
  const std::size_t tail_bytes = tail_size();
  std::vector<std::uint8_t> octets(1 + tail_bytes + 8, negative ? 0xFF : 0x00);
  std::memcpy(octets.data() + 1, tail.data(), tail_bytes);
  for (std::size_t i = 0; i < 8; ++i) {
    octets[1 + tail_bytes + i] = static_cast<std::uint8_t>(value >> (56 - 8 * i));
  }
  shorten(octets);
  return octets;
}

std::string serial_to_string(Bytes content) {
  if ((content[0] & 0x80) == 0) {
    if (content.size() > 1 && content[0] == 0) content = content.subspan(1);
    return to_hex(content);
  }
  std::vector<std::uint8_t> magnitude = to_vector(content);
  negate(magnitude);
  const std::size_t zero = magnitude.size() > 1 && magnitude[0] == 0 ? 1 : 0;
  return "-" + to_hex(Bytes(magnitude).subspan(zero));
}

Result<std::vector<std::uint8_t>> serial_from_string(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  if (text.starts_with("0x") || text.starts_with("0X")) text.remove_prefix(2);
  std::string digits;
  for (const char c : text) {
    if (c != ':') digits.push_back(c);
  }
  const std::vector<std::uint8_t> magnitude = from_hex(digits);
  if (magnitude.empty()) return Error{Errc::bad_integer, 0, "serial"};
  std::vector<std::uint8_t> octets(magnitude.size() + 1, 0);  // a sign octet before it
  std::ranges::copy(magnitude, octets.begin() + 1);
  if (negative) negate(octets);
  shorten(octets);
  if (octets.size() - (octets[0] == 0 ? 1 : 0) > kSerialOctetsMax) {
    return Error{Errc::serial_too_long, 0, "serial"};
  }
  return octets;
}

}  // namespace pki
