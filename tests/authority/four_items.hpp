// The four items of a person (name, sex, birthdate, address) as a signing certificate writes them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "authority/civil_time.hpp"

namespace authority {

inline constexpr std::size_t kAddressCharactersMax = 200;

// UTF-8 throughout. A map has '1' where a substitute character (代替文字) stands for one that the
// certificate cannot hold, one digit a character; it can have another length than its text, as
// happens in practice.
struct FourItems {
  std::string name;
  std::string name_map;
  std::string sex;        // "1" male, "2" female, "3" unknown
  std::string birthdate;  // EYYYYMMDD: an era's digit, then Gregorian digits; zeros where unknown
  std::string address;    // from the prefecture on; at most 200 characters
  std::string address_map;

  friend bool operator==(const FourItems&, const FourItems&) = default;
};

// Characters as Unicode code points: U+20BB7 is one, a variation selector is one of its own.
[[nodiscard]] std::size_t count_characters(std::string_view utf8);

// All zeros, one for each character.
[[nodiscard]] std::string plain_map(std::string_view utf8);

// Era (1 Meiji .. 5 Reiwa) and digits of a day: "319800229".
[[nodiscard]] std::string birthdate_text(const CivilDate& date);

// Throws Failure, naming the fault, unless the items could stand in a certificate.
void check(const FourItems& items);

}  // namespace authority
