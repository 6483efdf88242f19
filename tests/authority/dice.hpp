// Dice: one stream of repeatable draws, whole numbers only, so that every machine draws the same.
#pragma once

#include <cstddef>
#include <cstdint>

#include "authority/instant.hpp"
#include "authority/mixing.hpp"

namespace authority {

class Dice {
 public:
  explicit Dice(std::uint64_t seed = 0) : seed_(seed) {}

  std::uint64_t word() { return mix64(seed_ + drawn_++ * 0x9E3779B97F4A7C15U); }

  // From [0, bound); bound < 2^32.
  std::uint64_t below(std::uint64_t bound) { return scale32(word(), bound); }
  bool chance(unsigned percent) { return below(100) < percent; }

  // A moment's distance from [from, to), in seconds.
  Instant between(Instant from, Instant to) {
    return from + static_cast<Instant>(below(static_cast<std::uint64_t>(to - from)));
  }

  template <typename Table>
  const auto& pick(const Table& table) {
    return table[static_cast<std::size_t>(below(std::size(table)))];
  }

 private:
  std::uint64_t seed_;
  std::uint64_t drawn_ = 0;
};

}  // namespace authority
