#include "server/store/ids.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

#include "server/store/sealing.hpp"

namespace server {
namespace {

constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz234567";
constexpr std::size_t kCharacters = 26;  // 130 bits; the last character holds three of the 128

}  // namespace

std::string make_id(std::string_view prefix) {
  std::array<std::uint8_t, 16> random{};
  fill_random(random);
  std::string out(prefix);
  std::uint32_t bits = 0;
  unsigned held = 0;
  std::size_t next = 0;
  for (std::size_t i = 0; i < kCharacters; ++i) {
    if (held < 5) {
      bits = bits << 8 | (next < random.size() ? random[next++] : 0U);
      held += 8;
    }
    held -= 5;
    out += kAlphabet[bits >> held & 31U];
  }
  return out;
}

bool is_id(std::string_view text, std::string_view prefix) {
  return text.size() == prefix.size() + kCharacters && text.starts_with(prefix) &&
         std::ranges::all_of(text.substr(prefix.size()),
                             [](char c) { return kAlphabet.find(c) != kAlphabet.npos; });
}

}  // namespace server
