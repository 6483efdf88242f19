// jpki_profile.hpp: everything that is special to the certificates of JPKI: which are signing
// certificates of persons, and how they write name, sex, birthdate and address. The values are
// personal data: they are views here, and errors never hold them. It must not know who asks, or
// why.
//
// Source: J-LIS's profile, as public dumps of certificates show it.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string_view>

#include "libpki/x509.hpp"

namespace pki {

// The certificate's own table. The card's text application uses another one (1, 2, 9).
enum class Sex : std::uint8_t { male, female, unknown };  // "1", "2", "3"

// EYYYYMMDD: the digit of an era, then *Gregorian* digits. Zeros stand for what is not known, so
// this is three optional numbers, never a date; the era is not compared with the year.
struct Birthdate {
  char era;  // '1' Meiji, '2' Taisho, '3' Showa, '4' Heisei, '5' Reiwa, '0' unknown
  std::optional<int> year;
  std::optional<int> month;
  std::optional<int> day;
  std::string_view raw;

  // The day, if all of it is known and the calendar has it. (Old registers know a 30 February.)
  [[nodiscard]] std::optional<std::chrono::year_month_day> date() const;
};

// A text and its substitution map (代替文字の使用位置): one digit a character, '1' where a
// substitute stands for a character that the certificate can't hold. In practice the map can be
// longer or shorter than the text: both are kept as they are, and `map_fits` tells.
struct MappedText {
  std::string_view text;                // UTF-8, never normalised
  std::size_t characters = 0;           // code points, variation selectors included
  std::optional<std::string_view> map;  // '0' and '1'
  bool map_fits = true;                 // no map, or one digit a character
};

// The four items, views of the certificate. An item that is absent is not an item that is empty.
struct FourInformation {
  std::optional<MappedText> name;  // surname, U+3000, given name; not for everybody
  std::optional<Sex> sex;
  std::optional<Birthdate> birthdate;
  std::optional<MappedText> address;  // from the prefecture on, without postal code

  [[nodiscard]] bool is_complete() const { return name && sex && birthdate && address; }
};

inline constexpr std::size_t kNameCharactersMax = 200;
inline constexpr std::size_t kAddressCharactersMax = 200;
inline constexpr std::size_t kMapDigitsMax = 400;

// Reads the items from a subjectAltName, given as its extension value (GeneralNames). Other names
// and unknown OIDs are read over: what is added to the profile must not stop what is there.
//
//   GeneralName otherName [0] { 1.2.392.200149.8.5.5.x, [0] EXPLICIT UTF8String }
//   x: 1 name, 2 its map, 3 sex, 4 birthdate, 5 address, 6 its map
//
// An empty value has no items. Errors: those of the DER readers; bad_text, bad_item, item_too_long,
// duplicate_item; a map without its text is bad_item.
[[nodiscard]] Result<FourInformation> read_four_information(Bytes subject_alt_name);
[[nodiscard]] Result<FourInformation> read_four_information(const Certificate& certificate);

// "319800229". Error: bad_item.
[[nodiscard]] Result<Birthdate> parse_birthdate(std::string_view text);

// Is this a signing certificate (署名用) of a person, of the card or the phone? A CA it is not, its
// key usage has digitalSignature and nonRepudiation, all four items are there and readable, and it
// was issued under one of `policies` (content octets of OIDs), or, if that is empty, under
// 1.2.392.200149.8.5.1. Does not say who issued it, nor that it is in date or not revoked.
// Errors: certificate_kind, key_usage, certificate_policy, unknown_critical_extension, and those of
// read_four_information.
[[nodiscard]] Result<void> check_signing_certificate(const Certificate& certificate,
                                                     std::span<const Bytes> policies);

}  // namespace pki
