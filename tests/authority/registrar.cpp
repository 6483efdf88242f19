#include "authority/registrar.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace authority {
namespace {

constexpr unsigned kLongSerialOneIn = 400;
constexpr Instant kDateBackMax = 6 * kSecondsPerHour;

// Where the counters start. Signing and authentication share numbers, so that a serial alone names
// nobody; the fourth generation soon passes 80000000, where a DER INTEGER grows by a sign octet.
std::uint64_t first_serial(int generation) {
  constexpr std::array<std::uint64_t, 4> kFirst{0x00001001, 0x0132C4AC, 0x067C6A22, 0x7FFFFF00};
  if (generation >= 1 && generation <= 4) return kFirst[static_cast<std::size_t>(generation - 1)];
  return static_cast<std::uint64_t>(generation) << 32U;
}

int valid_birthdays(int generation) {
  return generation >= 4 ? 10 : 5;
}

Verb verb_of(Condition condition) {
  switch (condition) {
    case Condition::good: return Verb::released;
    case Condition::held: return Verb::held;
    case Condition::revoked: break;
  }
  return Verb::revoked;
}

// When the certificate stopped being good, for those who only hear of it at `at`.
Instant date_before(Dice& dice, Instant at, Instant issued_at) {
  const bool at_once = dice.chance(40);
  const Instant back = dice.between(1, kDateBackMax);
  return at_once ? at : std::max(issued_at, at - back);
}

}  // namespace

Instant end_of_birthday(const std::string& birthdate, Instant issued_at, int count) {
  const CivilDate issued = japanese_date(issued_at);
  auto month = static_cast<unsigned>(std::stoi(birthdate.substr(5, 2)));
  auto day = static_cast<unsigned>(std::stoi(birthdate.substr(7, 2)));
  // 2000 is a leap year: every birthday exists in it.
  if (!exists({2000, month, day})) {
    month = issued.month;
    day = issued.day;
  }
  const CivilDate birthday{2000, month, day};
  const bool still_to_come = add_years(birthday, issued.year - 2000) > issued;
  const int year = issued.year + count - (still_to_come ? 1 : 0);
  return start_of_japanese_day(day_after(add_years(birthday, year - 2000))) - 1;
}

Registrar::Registrar(std::uint64_t seed, const std::vector<AuthorityDescription>& authorities)
    : authorities_(authorities),
      books_(authorities.size()),
      long_serials_(derive_seed(seed, "long serials")) {
  for (const auto& authority : authorities) {
    next_serials_.push_back(first_serial(authority.generation));
  }
}

std::optional<std::size_t> Registrar::issuer(Seat seat, Instant at) const {
  const Purpose purpose = is_signing(seat) ? Purpose::signing : Purpose::authentication;
  const Medium medium = is_phone(seat) ? Medium::phone : Medium::card;
  std::optional<std::size_t> newest;
  for (std::size_t i = 0; i < authorities_.size(); ++i) {
    const AuthorityDescription& candidate = authorities_[i];
    if (candidate.purpose != purpose || candidate.medium != medium) continue;
    if (at < candidate.active_from || at >= candidate.active_to) continue;
    if (!newest || candidate.generation > authorities_[*newest].generation) newest = i;
  }
  return newest;
}

Serial Registrar::next_serial(std::size_t authority, Person& person) {
  const bool is_long = person.dice.below(kLongSerialOneIn) == 0;
  if (!is_long && person.persona.trait != Trait::long_serial) {
    return Serial::of(next_serials_[authority]++);
  }
  Serial serial;
  serial.size = kSerialOctetsMax;
  for (auto& octet : serial.octets) octet = static_cast<std::uint8_t>(long_serials_.below(256));
  serial.octets[0] = static_cast<std::uint8_t>(0x40U | (serial.octets[0] & 0x3FU));
  return serial;
}

bool Registrar::issue(Person& person, Seat seat, Instant at) {
  const auto authority = issuer(seat, at);
  if (!authority) return false;
  const Serial serial = next_serial(*authority, person);
  const int birthdays = valid_birthdays(authorities_[*authority].generation);
  const ResidenceRecord& record = person.record();
  Instant not_after = end_of_birthday(record.items.birthdate, at, birthdays);
  const auto& card = person.seat(Seat::card_authentication);
  if (is_phone(seat) && card && card->not_after > at) {
    not_after = std::min(not_after, card->not_after);
  }
  books_[*authority].issue({serial, record.municipality, person.id, at, not_after, {}});
  person.seat(seat) = Holding{*authority, serial, Condition::good, not_after};
  person.certificates.push_back({*authority, serial});
  actions_.push_back({Verb::issued, seat, {*authority, serial}, std::nullopt});
  return true;
}

void Registrar::record(Person& person, Seat seat, const Recorded& line) {
  Holding& holding = *person.seat(seat);
  books_[holding.authority].record(holding.serial, line);
  holding.condition = line.condition;
  actions_.push_back(
      {verb_of(line.condition), seat, {holding.authority, holding.serial}, line.reason});
}

void Registrar::hold(Person& person, Seat seat, Instant at) {
  if (!person.is(seat, Condition::good, at)) return;
  const Holding& holding = *person.seat(seat);
  const Instant issued_at = books_[holding.authority].find(holding.serial)->issued_at;
  const Instant date = date_before(person.dice, at, issued_at);
  record(person, seat, {at, Condition::held, Reason::certificate_hold, date});
}

void Registrar::release(Person& person, Seat seat, Instant at) {
  if (!person.is(seat, Condition::held, at)) return;
  record(person, seat, {at, Condition::good, std::nullopt, 0});
}

void Registrar::revoke(Person& person, Seat seat, Instant at, std::optional<Reason> reason) {
  const bool was_held = person.is(seat, Condition::held, at);
  if (!was_held && !person.is(seat, Condition::good, at)) return;
  const Holding& holding = *person.seat(seat);
  const IssuedCertificate& issued = *books_[holding.authority].find(holding.serial);
  Instant date = date_before(person.dice, at, issued.issued_at);
  if (was_held && person.dice.chance(50)) date = issued.history.back().revocation_date;
  record(person, seat, {at, Condition::revoked, reason, date});
}

std::vector<Action> Registrar::take_actions() {
  return std::exchange(actions_, {});
}

}  // namespace authority
