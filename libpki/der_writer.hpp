// der_writer.hpp: writing DER, front to back, into one growing buffer.
//
//   Writer w;
//   w.sequence([&] {
//     w.oid(oid::sha256);
//     w.null();
//   });
//
// The code has the shape of the ASN.1. Lengths are filled in when a constructed value closes.
#pragma once

#include <concepts>
#include <cstdint>
#include <utility>
#include <vector>

#include "libpki/bytes.hpp"
#include "libpki/der.hpp"

namespace pki::der {

// Owns the buffer; not for use from two threads at once. A Writer that is kept and cleared
// allocates nothing once its buffer has grown.
class Writer {
 public:
  [[nodiscard]] Bytes bytes() const { return out_; }
  [[nodiscard]] std::vector<std::uint8_t> take() { return std::exchange(out_, {}); }
  void clear() { out_.clear(); }

  // A value whose content `body` writes.
  template <std::invocable Body>
  void constructed(Tag tag, Body&& body) {
    const std::size_t content = open(tag);
    std::forward<Body>(body)();
    close(content);
  }
  template <std::invocable Body>
  void sequence(Body&& body) {
    constructed(Tag::sequence, std::forward<Body>(body));
  }

  // A value with the given content octets.
  void primitive(Tag tag, Bytes content);

  // Something that is DER already.
  void raw(Bytes element) { out_.insert(out_.end(), element.begin(), element.end()); }

  void boolean_true() { primitive(Tag::boolean, kTrue); }
  void null() { primitive(Tag::null, {}); }
  void oid(Bytes content) { primitive(Tag::oid, content); }
  void octet_string(Bytes content) { primitive(Tag::octet_string, content); }

  // INTEGER from the octets of an unsigned number, big-endian; leading zeros are normalised.
  void unsigned_integer(Bytes magnitude);

  // BIT STRING of whole octets.
  void bit_string(Bytes octets);

 private:
  static constexpr std::uint8_t kTrue[] = {0xFF};

  // Writes the tag and one length octet; returns where the content begins.
  std::size_t open(Tag tag);
  // Fills in the length of the content that begins at `content`, moving it where that needs room.
  void close(std::size_t content);
  void length(std::size_t size);

  std::vector<std::uint8_t> out_;
};

}  // namespace pki::der
