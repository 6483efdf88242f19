// Persona: who somebody is, before any office writes it down. Most people are ordinary; the first
// dozen have one awkward trait each, in the order below, and one in twenty of the rest has one too.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "authority/dice.hpp"
#include "authority/four_items.hpp"
#include "authority/municipalities.hpp"

namespace authority {

enum class Trait : std::uint8_t {
  ordinary,
  substitute_characters,  // in name and address, with their maps
  map_of_other_length,    // a name map that is longer than the name: seen in the wild
  unknown_birth_day,      // 3 1950 07 00
  unknown_sex,
  former_surname,   // 佐藤［鈴木］　花子
  foreigner,        // Latin name with an alias
  abroad,           // moved abroad, with the planned date, before the start
  longest_address,  // 200 characters
  surrogate_pair,   // U+20BB7, U+29E3D: two units of UTF-16 each
  variation_selector,
  long_serial,  // its certificates have serials of 20 octets
  unknown_birthdate,
};
inline constexpr std::size_t kTraits = 13;

[[nodiscard]] std::string_view to_text(Trait trait);

struct Persona {
  Trait trait = Trait::ordinary;
  bool female = false;
  std::size_t surname = 0;  // in the table of surnames
  std::size_t given = 0;
  std::optional<std::size_t> former_surname;
};

// Person `id` of the country of `dice`; ids start with 1.
[[nodiscard]] Persona make_persona(std::uint32_t id, Dice& dice);

// Takes another surname, and may keep the one before as the former surname.
void marry(Persona& persona, Dice& dice);

[[nodiscard]] FourItems first_items(const Persona& persona, const Municipality& home, Dice& dice);

// Write name or address, with its map, as the persona has it now.
void write_name(FourItems& items, const Persona& persona);
void write_address(FourItems& items, const Persona& persona, const Municipality& home, Dice& dice);

// Appends the day on which somebody plans to move abroad: "（国外転出予定　令和８年５月１日）". An
// address that is too long for that loses its end.
void write_departure(FourItems& items, const CivilDate& planned);

// A date of birth of somebody between 16 and 95 on 1 April 2026.
[[nodiscard]] CivilDate draw_birthdate(Dice& dice);

}  // namespace authority
