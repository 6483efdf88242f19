#include "authority/serial.hpp"

#include "authority/failure.hpp"

namespace authority {
namespace {

constexpr std::string_view kDigits = "0123456789ABCDEF";

int digit_value(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  return -1;
}

}  // namespace

Serial parse_serial(std::string_view text) {
  std::string_view digits = text;
  while (digits.size() > 1 && digits.front() == '0') digits.remove_prefix(1);
  if (digits.empty() || digits.size() > 2 * kSerialOctetsMax) {
    throw Failure("'" + std::string(text) +
                  "' is not a serial number; write 1 to 40 hexadecimal digits, like 02A41F");
  }
  Serial serial;
  serial.size = static_cast<std::uint8_t>((digits.size() + 1) / 2);
  const std::size_t shift = digits.size() % 2;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    const int value = digit_value(digits[i]);
    if (value < 0) {
      throw Failure("'" + std::string(text) + "' is not a serial number: '" + digits[i] +
                    "' is not a hexadecimal digit");
    }
    std::uint8_t& octet = serial.octets[(i + shift) / 2];
    octet = static_cast<std::uint8_t>(octet << 4U | value);
  }
  return serial;
}

std::string hexadecimal(const Serial& serial) {
  std::string text;
  for (std::size_t i = 0; i < serial.size; ++i) {
    text += kDigits[serial.octets[i] >> 4U];
    text += kDigits[serial.octets[i] & 15U];
  }
  return text;
}

}  // namespace authority
