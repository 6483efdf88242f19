#include "libpki/der_writer.hpp"

#include <array>

namespace pki::der {
namespace {

// The long form of a length: 0x80 + count, then the digits; one octet below 128 (X.690 8.1.3).
struct EncodedLength {
  std::array<std::uint8_t, 9> octets{};
  std::size_t size = 0;

  explicit EncodedLength(std::uint64_t length) {
    if (length < 0x80) {
      octets[size++] = static_cast<std::uint8_t>(length);
      return;
    }
    std::size_t digits = 0;
    for (std::uint64_t left = length; left != 0; left >>= 8) ++digits;
    octets[size++] = static_cast<std::uint8_t>(0x80U | digits);
    while (digits-- > 0) octets[size++] = static_cast<std::uint8_t>(length >> (8 * digits));
  }
};

}  // namespace

std::size_t Writer::open(Tag tag) {
  out_.push_back(static_cast<std::uint8_t>(tag));
  out_.push_back(0);
  return out_.size();
}

void Writer::close(std::size_t content) {
  const EncodedLength length(out_.size() - content);
  out_[content - 1] = length.octets[0];
  const auto more = length.octets.begin() + 1;
  out_.insert(out_.begin() + static_cast<std::ptrdiff_t>(content), more,
              length.octets.begin() + static_cast<std::ptrdiff_t>(length.size));
}

void Writer::length(std::size_t size) {
  const EncodedLength encoded(size);
  out_.insert(out_.end(), encoded.octets.begin(),
              encoded.octets.begin() + static_cast<std::ptrdiff_t>(encoded.size));
}

void Writer::primitive(Tag tag, Bytes content) {
  out_.push_back(static_cast<std::uint8_t>(tag));
  length(content.size());
  raw(content);
}

void Writer::unsigned_integer(Bytes magnitude) {
  while (!magnitude.empty() && magnitude[0] == 0) magnitude = magnitude.subspan(1);
  const bool needs_zero = magnitude.empty() || (magnitude[0] & 0x80) != 0;
  out_.push_back(static_cast<std::uint8_t>(Tag::integer));
  length(magnitude.size() + (needs_zero ? 1 : 0));
  if (needs_zero) out_.push_back(0);
  raw(magnitude);
}

void Writer::bit_string(Bytes octets) {
  out_.push_back(static_cast<std::uint8_t>(Tag::bit_string));
  length(octets.size() + 1);
  out_.push_back(0);
  raw(octets);
}

}  // namespace pki::der
