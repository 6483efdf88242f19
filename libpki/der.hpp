// der.hpp: reading DER (ITU-T X.690), strictly. The ground that everything else in libpki stands
// on.
//
// Start here. One primitive, Reader::take, compares a wanted number of bytes with what is left;
// every parser stands on it (but for the fast path over CRL entries, crl.hpp, which is checked
// against it). Everything is a view of the input and lives as long as it. Nothing allocates,
// nothing throws.
#pragma once

#include <cstdint>
#include <optional>

#include "libpki/bytes.hpp"
#include "libpki/error.hpp"

namespace pki::der {

// The identifier octets that PKIX uses. All are a single octet; the constructed bit is part of it.
enum class Tag : std::uint8_t {
  boolean = 0x01,
  integer = 0x02,
  bit_string = 0x03,
  octet_string = 0x04,
  null = 0x05,
  oid = 0x06,
  enumerated = 0x0A,
  utf8_string = 0x0C,
  printable_string = 0x13,
  teletex_string = 0x14,
  ia5_string = 0x16,
  utc_time = 0x17,
  generalized_time = 0x18,
  universal_string = 0x1C,
  bmp_string = 0x1E,
  sequence = 0x30,
  set = 0x31,
};

// [number] of a primitive (IMPLICIT of a simple type) or constructed (EXPLICIT) value; number < 31.
[[nodiscard]] constexpr Tag context(unsigned number) {
  return static_cast<Tag>(0x80U | number);
}
[[nodiscard]] constexpr Tag context_constructed(unsigned number) {
  return static_cast<Tag>(0xA0U | number);
}

// One tag-length-value.
struct Element {
  Tag tag;
  Bytes whole;    // with tag and length: what is hashed, compared, or copied on
  Bytes content;  // without
};

// Reader walks the elements of one input, or of one constructed element, from front to back.
//
// Each read names the field that it expects; the name and the byte offset from the start of the
// outermost input go into the error. After an error a Reader is where it was before the call.
class Reader {
 public:
  explicit Reader(Bytes input) : start_(input.data()), rest_(input) {}

  // A reader over what is inside `element`, which must stem from the same input as `outer`.
  Reader(const Reader& outer, const Element& element)
      : start_(outer.start_), rest_(element.content) {}

  // A reader over `part` of an input that starts at `start`, so that offsets count from there.
  Reader(const std::uint8_t* start, Bytes part) : start_(start), rest_(part) {}

  [[nodiscard]] bool empty() const { return rest_.empty(); }
  [[nodiscard]] Bytes rest() const { return rest_; }

  // The offset of the next byte from the start of the outermost input.
  [[nodiscard]] std::uint64_t offset() const {
    return static_cast<std::uint64_t>(rest_.data() - start_);
  }

  [[nodiscard]] bool next_is(Tag tag) const {
    return !rest_.empty() && rest_[0] == static_cast<std::uint8_t>(tag);
  }

  // The next element, whatever it is.
  // Errors: truncated, high_tag_number, indefinite_length, non_minimal_length, length_too_large.
  [[nodiscard]] Result<Element> any(const char* field);

  // The next element, which must carry `tag`. Errors: those of any(), bad_tag.
  [[nodiscard]] Result<Element> read(Tag tag, const char* field);

  // The next element if it carries `tag`; nothing, and nothing consumed, if not or at the end.
  [[nodiscard]] Result<std::optional<Element>> read_optional(Tag tag, const char* field);

  // A reader over what is inside the next element. Errors: those of read().
  [[nodiscard]] Result<Reader> enter(Tag tag, const char* field);

  // Requires that all was read. Error: trailing_data, at the first byte too many.
  [[nodiscard]] Result<void> finish(const char* field) const;

  [[nodiscard]] Error error(Errc code, const char* field) const { return {code, offset(), field}; }

  // The same for an element that was read before.
  [[nodiscard]] Error error_at(const Element& element, Errc code, const char* field) const {
    return {code, static_cast<std::uint64_t>(element.whole.data() - start_), field};
  }

 private:
  // The next `count` bytes. The only bounds check there is. Error: truncated.
  [[nodiscard]] Result<Bytes> take(std::uint64_t count, const char* field);

  [[nodiscard]] Result<std::uint64_t> take_length(const char* field);

  const std::uint8_t* start_;
  Bytes rest_;
};

// --- the simple types, from the element that holds them ---
// Each takes the reader only for the offset in its error.

// BOOLEAN: 00 or FF. Error: bad_boolean.
[[nodiscard]] Result<bool> boolean(const Reader& reader, const Element& element, const char* field);

// INTEGER or ENUMERATED in two's complement, shortest form; the content octets. Error: bad_integer.
[[nodiscard]] Result<Bytes> integer(const Reader& reader, const Element& element,
                                    const char* field);

// A small INTEGER or ENUMERATED, 0 to `max`, which is below 2^31. Errors: bad_integer,
// integer_out_of_range.
[[nodiscard]] Result<std::uint32_t> small_integer(const Reader& reader, const Element& element,
                                                  std::uint32_t max, const char* field);

struct BitString {
  std::uint8_t unused_bits;  // 0 to 7
  Bytes octets;

  // Bit 0 is the first, the most significant one (X.680 22.2); bits past the end are 0.
  [[nodiscard]] bool bit(std::size_t number) const {
    return number / 8 < octets.size() && (octets[number / 8] >> (7 - number % 8) & 1) != 0;
  }
};

// BIT STRING with its unused bits zero. Error: bad_bit_string.
[[nodiscard]] Result<BitString> bit_string(const Reader& reader, const Element& element,
                                           const char* field);

// A BIT STRING of whole octets, as for keys and signatures. Error: bad_bit_string.
[[nodiscard]] Result<Bytes> octets_of_bit_string(const Reader& reader, const Element& element,
                                                 const char* field);

// OBJECT IDENTIFIER content: sub-identifiers minimal and complete. Error: bad_oid.
[[nodiscard]] Result<Bytes> oid(const Reader& reader, const Element& element, const char* field);

// NULL. Error: bad_null.
[[nodiscard]] Result<void> null(const Reader& reader, const Element& element, const char* field);

}  // namespace pki::der
