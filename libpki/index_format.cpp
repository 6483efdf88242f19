#include "libpki/index_format.hpp"

#include <xxhash.h>

#include <cstddef>

namespace pki::index_format {

std::uint64_t head_checksum(Bytes head) {
  const Bytes tables = head.subspan(sizeof(Header));
  const std::array<std::uint64_t, 2> parts = {XXH3_64bits(head.data(), offsetof(Header, checksum)),
                                              XXH3_64bits(tables.data(), tables.size())};
  return XXH3_64bits(parts.data(), sizeof parts);
}

}  // namespace pki::index_format
