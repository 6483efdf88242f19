// Municipalities: invented towns in the 47 prefectures, with the names that addresses, subjects and
// distribution points need. Town number n lies in prefecture n mod 47.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace authority {

struct Municipality {
  std::string prefecture;  // "Tokyo-to"
  std::string name;        // "Kiyokawa-shi"
  std::string written;     // "東京都清川市": how an address begins
  std::string code;        // five digits, the first two are the prefecture's: "13101"
};

inline constexpr std::size_t kMunicipalitiesMax = std::size_t{47} * 900;

// The first `count` of them; no two have both names equal. Throws Failure unless
// 1 <= count <= kMunicipalitiesMax.
[[nodiscard]] std::vector<Municipality> make_municipalities(std::size_t count);

}  // namespace authority
