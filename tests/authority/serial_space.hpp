// SerialSpace: the infinite sequence of serial numbers that a seed stands for; a list of N entries
// holds its first N. Every member is computed from its index alone and every index from its member,
// so nothing is stored, no two members are equal, and "is this on the list?" has an exact answer. A
// longer list of one seed contains the shorter.
//
//   counter    a running counter. Serials come in clusters of 4096 entries on 65536 numbers; in
//   each cluster the
//              entries stand in cells of 2 to 16 numbers, one entry in each, at a random place:
//                |..x.|x...|...x|.x..| ... unused |.........x......|....x...........| ...
//              Strictly increasing, random gaps, dense and thin stretches, like certificates of one
//              counter of which some were revoked. Up to 4 octets for any list below 250 million
//              entries.
//   uniform64  a keyed permutation of [2^56, 2^63): random numbers of exactly 8 content octets.
//   random20   the same 8 octets followed by 12 random octets: exactly 20 content octets, top bit
//   clear.
#pragma once

#include <cstdint>
#include <optional>

#include "authority/mixing.hpp"
#include "authority/serial.hpp"

namespace authority {

enum class SerialKind { counter, uniform64, random20 };

class SerialSpace {
 public:
  SerialSpace(SerialKind kind, std::uint64_t seed, std::uint64_t first_serial);

  [[nodiscard]] SerialKind kind() const { return kind_; }

  // How many members there are; a list must not be longer.
  [[nodiscard]] std::uint64_t size() const;

  // The 64-bit key of member `index`: orders as the serials do. serial_of(key_at(i)) is member i.
  [[nodiscard]] std::uint64_t key_at(std::uint64_t index) const;
  [[nodiscard]] Serial serial_of(std::uint64_t key) const;

  // Inverse of key_at; `key` must be the key of some member.
  [[nodiscard]] std::uint64_t index_of_key(std::uint64_t key) const;

  // The index of `serial`, if it is a member at all.
  [[nodiscard]] std::optional<std::uint64_t> index_of(const Serial& serial) const;

  // A serial that is no member, near member `index`; `draw` chooses among several. Counter only:
  // another number of the member's cell, which by construction holds one member.
  [[nodiscard]] Serial gap_beside(std::uint64_t index, std::uint64_t draw) const;

 private:
  [[nodiscard]] std::uint64_t cell_width(std::uint64_t cluster) const;
  [[nodiscard]] std::optional<std::uint64_t> index_in_counter(std::uint64_t number) const;

  SerialKind kind_;
  std::uint64_t first_serial_;
  std::uint64_t width_seed_;
  std::uint64_t place_seed_;
  std::uint64_t tail_seed_;
  Permutation permutation_;
};

}  // namespace authority
