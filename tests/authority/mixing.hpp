// Repeatable pseudo-randomness: a 64-bit mixer, and Permutation, a keyed bijection of a range that
// needs no table. Everything the generator draws is a function of (seed, label, index), so it can
// be drawn again in any order. Not cryptographic: the output only has to look random and be the
// same everywhere.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace authority {

// SplitMix64's finaliser: a bijection of 64-bit words in which every input bit reaches every output
// bit.
constexpr std::uint64_t mix64(std::uint64_t word) {
  word += 0x9E3779B97F4A7C15U;
  word = (word ^ (word >> 30U)) * 0xBF58476D1CE4E5B9U;
  word = (word ^ (word >> 27U)) * 0x94D049BB133111EBU;
  return word ^ (word >> 31U);
}

// A sub-seed for one purpose: two labels never share a stream (FNV-1a over the label, then mixed
// with the seed).
constexpr std::uint64_t derive_seed(std::uint64_t seed, std::string_view label) {
  std::uint64_t hash = 0xCBF29CE484222325U;
  for (const char letter : label) {
    hash = (hash ^ static_cast<unsigned char>(letter)) * 0x100000001B3U;
  }
  return mix64(mix64(seed) ^ hash);
}

// A draw from [0, bound), bound < 2^32, out of the upper half of `word`.
constexpr std::uint64_t scale32(std::uint64_t word, std::uint64_t bound) {
  return ((word >> 32U) * bound) >> 32U;
}

// A bijection of [begin, end), chosen by `key`: a small Feistel network over just enough bits,
// applied again while the result lies outside the range ("cycle walking", which keeps it a
// bijection). Takes fewer than two walks on average when the range fills more than half of its
// bits.
class Permutation {
 public:
  Permutation(std::uint64_t begin, std::uint64_t end, std::uint64_t key);

  // Both take and return a value of [begin, end), and undo each other.
  [[nodiscard]] std::uint64_t forward(std::uint64_t value) const;
  [[nodiscard]] std::uint64_t inverse(std::uint64_t value) const;

 private:
  static constexpr std::size_t kRounds = 6;

  [[nodiscard]] bool contains(std::uint64_t value) const { return value >= begin_ && value < end_; }

  std::uint64_t begin_;
  std::uint64_t end_;
  unsigned right_bits_;
  std::uint64_t left_mask_;
  std::uint64_t right_mask_;
  std::array<std::uint64_t, kRounds> round_keys_{};
};

}  // namespace authority
