#include "libpki/der.hpp"

namespace pki::der {

Result<Bytes> Reader::take(std::uint64_t count, const char* field) {
  if (rest_.size() < count) return Error{Errc::truncated, offset() + rest_.size(), field};
  const Bytes taken = rest_.first(count);
  rest_ = rest_.subspan(count);
  return taken;
}

// X.690 8.1.3 and 10.1: short form below 128, else 0x80 + count and the length in the fewest
// octets.
Result<std::uint64_t> Reader::take_length(const char* field) {
  const std::uint64_t at = offset();
  PKI_TRY_ASSIGN(const Bytes first, take(1, field));
  if (first[0] < 0x80) return first[0];
  if (first[0] == 0x80) return Error{Errc::indefinite_length, at, field};

  const std::size_t octets = first[0] & 0x7FU;
  if (octets > 8) return Error{Errc::length_too_large, at, field};
  PKI_TRY_ASSIGN(const Bytes digits, take(octets, field));
  if (digits[0] == 0) return Error{Errc::non_minimal_length, at, field};
  std::uint64_t length = 0;
  for (const std::uint8_t digit : digits) length = length << 8 | digit;
  if (length < 0x80) return Error{Errc::non_minimal_length, at, field};
  if (length > INT64_MAX) return Error{Errc::length_too_large, at, field};
  return length;
}

Result<Element> Reader::any(const char* field) {
  const Reader before = *this;
  const auto whole_element = [&]() -> Result<Element> {
    PKI_TRY_ASSIGN(const Bytes identifier, take(1, field));
    if ((identifier[0] & 0x1F) == 0x1F) {
      return Error{Errc::high_tag_number, before.offset(), field};
    }
    PKI_TRY_ASSIGN(const std::uint64_t length, take_length(field));
    PKI_TRY_ASSIGN(const Bytes content, take(length, field));
    const std::size_t size = before.rest_.size() - rest_.size();
    return Element{static_cast<Tag>(identifier[0]), before.rest_.first(size), content};
  };
  Result<Element> element = whole_element();
  if (!element) *this = before;
  return element;
}

Result<Element> Reader::read(Tag tag, const char* field) {
  if (rest_.empty()) return error(Errc::truncated, field);
  if (!next_is(tag)) return error(Errc::bad_tag, field);
  return any(field);
}

Result<std::optional<Element>> Reader::read_optional(Tag tag, const char* field) {
  if (!next_is(tag)) return std::optional<Element>{};
  PKI_TRY_ASSIGN(const Element element, any(field));
  return std::optional<Element>{element};
}

Result<Reader> Reader::enter(Tag tag, const char* field) {
  PKI_TRY_ASSIGN(const Element element, read(tag, field));
  return Reader(*this, element);
}

Result<void> Reader::finish(const char* field) const {
  if (!rest_.empty()) return error(Errc::trailing_data, field);
  return {};
}

// X.690 11.1.
Result<bool> boolean(const Reader& reader, const Element& element, const char* field) {
  const Bytes content = element.content;
  if (content.size() != 1 || (content[0] != 0x00 && content[0] != 0xFF)) {
    return reader.error_at(element, Errc::bad_boolean, field);
  }
  return content[0] == 0xFF;
}

// X.690 8.3.2: the first nine bits are neither all zeros nor all ones.
Result<Bytes> integer(const Reader& reader, const Element& element, const char* field) {
  const Bytes content = element.content;
  if (content.empty()) return reader.error_at(element, Errc::bad_integer, field);
  if (content.size() > 1) {
    const bool padded_zero = content[0] == 0x00 && (content[1] & 0x80) == 0;
    const bool padded_ones = content[0] == 0xFF && (content[1] & 0x80) != 0;
    if (padded_zero || padded_ones) return reader.error_at(element, Errc::bad_integer, field);
  }
  return content;
}

Result<std::uint32_t> small_integer(const Reader& reader, const Element& element, std::uint32_t max,
                                    const char* field) {
  PKI_TRY_ASSIGN(const Bytes content, integer(reader, element, field));
  const bool negative = (content[0] & 0x80) != 0;
  if (negative || content.size() > 4) {
    return reader.error_at(element, Errc::integer_out_of_range, field);
  }
  std::uint32_t value = 0;
  for (const std::uint8_t octet : content) value = value << 8 | octet;
  if (value > max) return reader.error_at(element, Errc::integer_out_of_range, field);
  return value;
}

// X.690 8.6.2 and 11.2.1.
Result<BitString> bit_string(const Reader& reader, const Element& element, const char* field) {
  const Error bad = reader.error_at(element, Errc::bad_bit_string, field);
  if (element.content.empty()) return bad;
  const BitString bits{element.content[0], element.content.subspan(1)};
  if (bits.unused_bits > 7 || (bits.unused_bits > 0 && bits.octets.empty())) return bad;
  const std::uint8_t unused_mask = static_cast<std::uint8_t>((1U << bits.unused_bits) - 1);
  if (!bits.octets.empty() && (bits.octets.back() & unused_mask) != 0) return bad;
  return bits;
}

Result<Bytes> octets_of_bit_string(const Reader& reader, const Element& element,
                                   const char* field) {
  PKI_TRY_ASSIGN(const BitString bits, bit_string(reader, element, field));
  if (bits.unused_bits != 0) return reader.error_at(element, Errc::bad_bit_string, field);
  return bits.octets;
}

// X.690 8.19.2: sub-identifiers end with a clear top bit and do not begin with 0x80.
Result<Bytes> oid(const Reader& reader, const Element& element, const char* field) {
  const Error bad = reader.error_at(element, Errc::bad_oid, field);
  if (element.content.empty() || (element.content.back() & 0x80) != 0) return bad;
  bool starts = true;
  for (const std::uint8_t octet : element.content) {
    if (starts && octet == 0x80) return bad;
    starts = (octet & 0x80) == 0;
  }
  return element.content;
}

Result<void> null(const Reader& reader, const Element& element, const char* field) {
  if (!element.content.empty()) return reader.error_at(element, Errc::bad_null, field);
  return {};
}

}  // namespace pki::der
