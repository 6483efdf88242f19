// Person: what the country remembers of one human being: records, certificates, and errands to
// come.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "authority/books.hpp"
#include "authority/dice.hpp"
#include "authority/four_items.hpp"
#include "authority/persona.hpp"

namespace authority {

// Where a certificate lies.
enum class Seat : std::uint8_t {
  card_signing,
  card_authentication,
  phone_signing,
  phone_authentication,
};
inline constexpr std::size_t kSeats = 4;
inline constexpr std::array<Seat, 2> kCardSeats{Seat::card_signing, Seat::card_authentication};
inline constexpr std::array<Seat, 2> kPhoneSeats{Seat::phone_signing, Seat::phone_authentication};
inline constexpr std::array<Seat, 2> kSigningSeats{Seat::card_signing, Seat::phone_signing};
inline constexpr std::array<Seat, kSeats> kAllSeats{
    Seat::card_signing, Seat::card_authentication, Seat::phone_signing, Seat::phone_authentication};

[[nodiscard]] constexpr bool is_signing(Seat seat) {
  return seat == Seat::card_signing || seat == Seat::phone_signing;
}
[[nodiscard]] constexpr bool is_phone(Seat seat) {
  return seat == Seat::phone_signing || seat == Seat::phone_authentication;
}
// "card signing".
[[nodiscard]] std::string_view to_text(Seat seat);

// Something that will happen to a person at a known moment. The first four issue what is awaited in
// the seat of the same number.
enum class Errand : std::uint8_t {
  issue_card_signing,
  issue_card_authentication,
  issue_phone_signing,
  issue_phone_authentication,
  find_phone,
  give_up_phone,
  replace_card,
  renew_card,
  take_card,  // the first one, or again after giving one back
  live,       // whatever life brings
};
inline constexpr std::size_t kErrands = 10;

[[nodiscard]] constexpr Errand issue_errand(Seat seat) {
  return static_cast<Errand>(seat);
}

// The newest certificate of a seat.
struct Holding {
  std::size_t authority = 0;
  Serial serial;
  Condition condition = Condition::good;
  Instant not_after = 0;
};

struct CertificateNumber {
  std::size_t authority = 0;
  Serial serial;
};

// The four items as they were recorded at a moment, and where.
struct ResidenceRecord {
  Instant since = 0;
  FourItems items;
  std::size_t municipality = 0;
};

// The first dozen people live by hand: they take a card, enrol a phone and renew both in time;
// nothing else happens to them by itself.
inline constexpr std::uint32_t kPeopleByHand = 12;

struct Person {
  std::uint32_t id = 0;
  Persona persona;
  Dice dice;
  bool has_card = false;
  bool card_lost = false;  // false without a card
  bool has_phone = false;
  bool phone_lost = false;
  bool abroad = false;
  std::optional<Instant> died_at;
  std::vector<ResidenceRecord> records;  // ascending, never empty
  std::array<std::optional<Holding>, kSeats> seats;
  std::array<std::optional<Instant>, kErrands> due;
  std::vector<CertificateNumber> certificates;  // all of them, in order of issue

  [[nodiscard]] const ResidenceRecord& record() const { return records.back(); }
  // The newest one that is not younger than `moment`.
  [[nodiscard]] const ResidenceRecord& record_at(Instant moment) const;

  [[nodiscard]] std::optional<Holding>& seat(Seat which) {
    return seats[static_cast<std::size_t>(which)];
  }
  [[nodiscard]] const std::optional<Holding>& seat(Seat which) const {
    return seats[static_cast<std::size_t>(which)];
  }
  // Whether the seat's certificate is in this condition, and not expired.
  [[nodiscard]] bool is(Seat which, Condition condition, Instant at) const {
    const auto& holding = seat(which);
    return holding && holding->condition == condition && at <= holding->not_after;
  }
  [[nodiscard]] bool lives_by_hand() const { return id <= kPeopleByHand; }
  [[nodiscard]] bool awaits(Seat which) const {
    return due[static_cast<std::size_t>(issue_errand(which))].has_value();
  }
};

}  // namespace authority
