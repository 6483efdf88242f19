#include "authority/mixing.hpp"

#include <algorithm>
#include <bit>

#include "authority/failure.hpp"

namespace authority {
namespace {

constexpr std::uint64_t round_function(std::uint64_t half, std::uint64_t key) {
  std::uint64_t word = (half ^ key) * 0x9E3779B97F4A7C15U;
  word = (word ^ (word >> 32U)) * 0xD6E8FEB86659FD93U;
  return word >> 32U;
}

}  // namespace

Permutation::Permutation(std::uint64_t begin, std::uint64_t end, std::uint64_t key)
    : begin_(begin), end_(end) {
  if (begin >= end) throw Failure("a permutation needs a range with at least one value");
  const auto bits = static_cast<unsigned>(std::max(2, static_cast<int>(std::bit_width(end - 1))));
  const unsigned left_bits = bits / 2;
  right_bits_ = bits - left_bits;
  left_mask_ = (std::uint64_t{1} << left_bits) - 1;
  right_mask_ = (std::uint64_t{1} << right_bits_) - 1;
  for (auto& round_key : round_keys_) round_key = key = mix64(key);
}

std::uint64_t Permutation::forward(std::uint64_t value) const {
  do {
    std::uint64_t left = value >> right_bits_;
    std::uint64_t right = value & right_mask_;
    for (std::size_t round = 0; round < kRounds; round += 2) {
      left ^= round_function(right, round_keys_[round]) & left_mask_;
      right ^= round_function(left, round_keys_[round + 1]) & right_mask_;
    }
    value = (left << right_bits_) | right;
  } while (!contains(value));
  return value;
}

std::uint64_t Permutation::inverse(std::uint64_t value) const {
  do {
    std::uint64_t left = value >> right_bits_;
    std::uint64_t right = value & right_mask_;
    for (std::size_t round = kRounds; round > 0; round -= 2) {
      right ^= round_function(left, round_keys_[round - 1]) & right_mask_;
      left ^= round_function(right, round_keys_[round - 2]) & left_mask_;
    }
    value = (left << right_bits_) | right;
  } while (!contains(value));
  return value;
}

}  // namespace authority
