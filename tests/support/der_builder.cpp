#include "tests/support/der_builder.hpp"

#include <charconv>
#include <stdexcept>
#include <string>

namespace test {

Octets hex(std::string_view digits) {
  std::string packed;
  for (const char c : digits) {
    if (c != ' ' && c != '\n') packed.push_back(c);
  }
  if (packed.size() % 2 != 0) throw std::invalid_argument("odd number of hex digits");
  Octets out;
  for (std::size_t i = 0; i < packed.size(); i += 2) {
    unsigned value = 0;
    const char* const end = packed.data() + i + 2;
    const auto [at, error] = std::from_chars(packed.data() + i, end, value, 16);
    if (error != std::errc{} || at != end) throw std::invalid_argument("not hex");
    out.push_back(static_cast<std::uint8_t>(value));
  }
  return out;
}

Octets text(std::string_view characters) {
  return {characters.begin(), characters.end()};
}

Octets concat(std::initializer_list<Octets> parts) {
  Octets out;
  for (const Octets& part : parts) out.insert(out.end(), part.begin(), part.end());
  return out;
}

Octets repeat(const Octets& part, std::size_t count) {
  Octets out;
  for (std::size_t i = 0; i < count; ++i) out.insert(out.end(), part.begin(), part.end());
  return out;
}

Octets tlv(unsigned tag, const Octets& content) {
  Octets out{static_cast<std::uint8_t>(tag)};
  if (content.size() < 0x80) {
    out.push_back(static_cast<std::uint8_t>(content.size()));
  } else {
    Octets digits;
    for (std::size_t left = content.size(); left != 0; left /= 256) {
      digits.insert(digits.begin(), static_cast<std::uint8_t>(left % 256));
    }
    out.push_back(static_cast<std::uint8_t>(0x80 + digits.size()));
    out.insert(out.end(), digits.begin(), digits.end());
  }
  out.insert(out.end(), content.begin(), content.end());
  return out;
}

Octets tlv(unsigned tag, std::initializer_list<Octets> parts) {
  return tlv(tag, concat(parts));
}

Octets sequence(std::initializer_list<Octets> parts) {
  return tlv(0x30, parts);
}

Octets integer(std::uint32_t value) {
  Octets content;
  do {
    content.insert(content.begin(), static_cast<std::uint8_t>(value % 256));
    value /= 256;
  } while (value != 0);
  if (content[0] >= 0x80) content.insert(content.begin(), 0);
  return integer_of(content);
}

Octets integer_of(const Octets& content) {
  return tlv(0x02, content);
}

Octets enumerated(unsigned value) {
  return tlv(0x0A, Octets{static_cast<std::uint8_t>(value)});
}

Octets octet_string(const Octets& content) {
  return tlv(0x04, content);
}

Octets bit_string(const Octets& octets) {
  return tlv(0x03, {Octets{0}, octets});
}

Octets null() {
  return {0x05, 0x00};
}

Octets boolean(bool value) {
  return {0x01, 0x01, static_cast<std::uint8_t>(value ? 0xFF : 0x00)};
}

Octets utc_time(std::string_view characters) {
  return tlv(0x17, text(characters));
}

Octets generalized_time(std::string_view characters) {
  return tlv(0x18, text(characters));
}

Octets oid(std::string_view dotted) {
  std::vector<std::uint64_t> arcs;
  for (std::size_t i = 0; i < dotted.size();) {
    std::uint64_t arc = 0;
    const auto [at, error] =
        std::from_chars(dotted.data() + i, dotted.data() + dotted.size(), arc, 10);
    if (error != std::errc{}) throw std::invalid_argument("not an object identifier");
    arcs.push_back(arc);
    i = static_cast<std::size_t>(at - dotted.data()) + 1;
  }
  arcs.at(1) += arcs.at(0) * 40;
  Octets content;
  for (std::size_t i = 1; i < arcs.size(); ++i) {
    Octets digits{static_cast<std::uint8_t>(arcs[i] % 128)};
    for (std::uint64_t left = arcs[i] / 128; left != 0; left /= 128) {
      digits.insert(digits.begin(), static_cast<std::uint8_t>(0x80 + left % 128));
    }
    content.insert(content.end(), digits.begin(), digits.end());
  }
  return tlv(0x06, content);
}

Octets algorithm(std::string_view dotted) {
  return sequence({oid(dotted)});
}

Octets algorithm_with_null(std::string_view dotted) {
  return sequence({oid(dotted), null()});
}

Octets name(std::string_view common_name) {
  return sequence({tlv(0x31, {sequence({oid("2.5.4.3"), tlv(0x0C, text(common_name))})})});
}

Octets extension(std::string_view dotted, const Octets& value) {
  return sequence({oid(dotted), octet_string(value)});
}

Octets critical_extension(std::string_view dotted, const Octets& value) {
  return sequence({oid(dotted), boolean(true), octet_string(value)});
}

}  // namespace test
