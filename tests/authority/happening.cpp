#include "authority/happening.hpp"

#include <array>

namespace authority {
namespace {

constexpr std::array<std::string_view, kHappenings> kTexts{
    "move",           "marriage",      "birthdate_correction", "moved_abroad",   "renewal",
    "phone_enrolled", "phone_lost",    "phone_found",          "phone_given_up", "phone_sold",
    "card_lost",      "card_replaced", "card_returned",        "card_taken",     "death",
    "key_compromise", "reissue"};

}  // namespace

std::string_view to_text(Happening happening) {
  return kTexts[static_cast<std::size_t>(happening)];
}

std::optional<Happening> parse_happening(std::string_view text) {
  for (std::size_t i = 0; i < kHappenings; ++i) {
    if (kTexts[i] == text) return static_cast<Happening>(i);
  }
  return std::nullopt;
}

std::string list_of_happenings() {
  std::string list;
  for (const std::string_view text : kTexts) {
    if (!list.empty()) list += ", ";
    list += text;
  }
  return list;
}

}  // namespace authority
