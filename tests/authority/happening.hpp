// Happening: the kinds of things that happen to people, by themselves or by hand.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "authority/instant.hpp"

namespace authority {

enum class Happening : std::uint8_t {
  move,                  // signing certificates affiliationChanged; new ones after hours or months
  marriage,              // the same, with a new name
  birthdate_correction,  // the same, with another birthdate
  moved_abroad,          // the same, with the planned date at the end of the address
  renewal,               // the card's pair superseded and issued again, the phone's some days later
  phone_enrolled,        // a pair for the phone
  phone_lost,            // its pair is held
  phone_found,           // authentication released, signing superseded and issued again later
  phone_given_up,        // held becomes revoked: cessationOfOperation
  phone_sold,            // its pair: cessationOfOperation
  card_lost,             // its pair is held, and never released
  card_replaced,         // held becomes revoked: cessationOfOperation; a new pair at once
  card_returned,         // all certificates: cessationOfOperation
  card_taken,            // a pair for the card, the first or again
  death,                 // all certificates: cessationOfOperation or no reason, nothing that tells
  key_compromise,        // the pair of one device: keyCompromise; a new one days later
  reissue,               // what is awaited is issued now (by hand only)
};
inline constexpr std::size_t kHappenings = 17;

[[nodiscard]] std::string_view to_text(Happening happening);

// Nothing if there is no such kind.
[[nodiscard]] std::optional<Happening> parse_happening(std::string_view text);

// "move, marriage, ...".
[[nodiscard]] std::string list_of_happenings();

// What somebody wants to have decided; the rest is left to the dice.
struct Details {
  std::optional<std::string> name;
  std::optional<std::string> name_map;
  std::optional<std::string> birthdate;
  std::optional<std::string> address;
  std::optional<std::string> address_map;
  std::optional<Instant> reissue_after;  // seconds until the card's new signing certificate
  std::optional<bool> on_phone;          // key_compromise: of which device
};

}  // namespace authority
