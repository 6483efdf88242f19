// der_builder.hpp: DER put together by hand in tests: sequence({integer(1), null()}). It shares
// nothing with libpki's der_writer, so that one mistake can't sit on both sides of a test.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <vector>

namespace test {

using Octets = std::vector<std::uint8_t>;

// "30 03 0A01 06": hex digits in pairs; blanks are skipped. Throws on anything else.
Octets hex(std::string_view text);

Octets text(std::string_view characters);
Octets concat(std::initializer_list<Octets> parts);
Octets repeat(const Octets& part, std::size_t count);

// Identifier octet, length in the shortest form, content.
Octets tlv(unsigned tag, const Octets& content);
Octets tlv(unsigned tag, std::initializer_list<Octets> parts);

Octets sequence(std::initializer_list<Octets> parts);
Octets integer(std::uint32_t value);
Octets integer_of(const Octets& content);  // as given, right or wrong
Octets enumerated(unsigned value);
Octets octet_string(const Octets& content);
Octets bit_string(const Octets& octets);  // no unused bits
Octets null();
Octets boolean(bool value);
Octets utc_time(std::string_view characters);
Octets generalized_time(std::string_view characters);
Octets oid(std::string_view dotted);        // "2.5.29.20"
Octets algorithm(std::string_view dotted);  // no parameters
Octets algorithm_with_null(std::string_view dotted);
Octets name(std::string_view common_name);  // a Name of one commonName

// Extension ::= SEQUENCE { extnID, critical DEFAULT FALSE, extnValue OCTET STRING }
Octets extension(std::string_view dotted, const Octets& value);
Octets critical_extension(std::string_view dotted, const Octets& value);

}  // namespace test
