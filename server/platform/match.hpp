// match.hpp: does what an institution has agree with what the authority has? Copies are normalised
// by a published function and compared in constant time. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/redacted.hpp"
#include "server/upstream/gateways.hpp"

namespace server {

// jp-2026-1, on UTF-8 text, in this order:
//   1. full-width ASCII (U+FF01 to U+FF5E) becomes ASCII
//   2. the hyphens, dashes and minus signs U+2010 to U+2015, U+2212, U+30FC, U+FF70 become '-'
//   3. spaces (U+0020, U+3000, U+00A0) are left out
//   4. ASCII letters become capitals
// Nothing else: what is variant writing (髙/高, 丁目/-) is the institution's to decide.
inline constexpr std::string_view kNormalization = "jp-2026-1";
[[nodiscard]] Redacted<std::string> normalised(std::string_view text);

// Is this YYYY-MM-DD with a month and a day that may be? Registers know a 30 February.
[[nodiscard]] bool is_day_of_register(std::string_view text);

struct MatchValues {
  std::optional<Redacted<std::string>> name;
  std::optional<Redacted<std::string>> address;
  std::optional<Redacted<std::string>> birthdate;  // YYYY-MM-DD
  std::optional<Redacted<std::string>> gender;     // male, female, unknown

  // As attributes, in their order.
  [[nodiscard]] std::vector<std::string> names() const;
};

// For each value that was given and each item that is there: "match", "mismatch" or
// "indeterminate" (they differ, and the authority's has a substitute character or is not complete);
// "not_available" without the item. All four are always compared, over the same number of octets.
[[nodiscard]] nlohmann::ordered_json compare_values(const MatchValues& values,
                                                    const FourInformation& items);

}  // namespace server
