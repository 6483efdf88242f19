#include "authority/deeds.hpp"

#include <utility>

#include "authority/failure.hpp"

namespace authority {
namespace {

constexpr Instant kMinute = 60;

void cancel_awaited(Person& person, Seat seat) {
  Agenda::cancel(person, issue_errand(seat));
}

// How long somebody waits for a new signing certificate after a change: most go to the counter on
// the same day, some let months pass.
Instant draw_wait(Dice& dice) {
  const std::uint64_t patience = dice.below(100);
  if (patience < 55) return dice.between(kSecondsPerHour, 8 * kSecondsPerHour);
  if (patience < 85) return dice.between(8 * kSecondsPerHour, 14 * kSecondsPerDay);
  return dice.between(20 * kSecondsPerDay, 120 * kSecondsPerDay);
}

// The town in whose name the address begins, or `otherwise`.
std::size_t town_of(const std::string& address, const std::vector<Municipality>& towns,
                    std::size_t otherwise) {
  for (std::size_t i = 0; i < towns.size(); ++i) {
    if (address.starts_with(towns[i].written)) return i;
  }
  return otherwise;
}

}  // namespace

std::string Deeds::obstacle(const Person& person, Happening happening, Instant at) {
  if (person.died_at) return "is dead";
  switch (happening) {
    case Happening::phone_enrolled:
      if (person.has_phone) return "has a phone enrolled";
      return person.is(Seat::card_signing, Condition::good, at) ? "" : "needs a good card for it";
    case Happening::phone_lost:
    case Happening::phone_sold:
      if (!person.has_phone) return "has no phone enrolled";
      return person.phone_lost ? "has lost the phone" : "";
    case Happening::phone_found:
    case Happening::phone_given_up: return person.phone_lost ? "" : "has lost no phone";
    case Happening::card_lost:
    case Happening::renewal:
      if (!person.has_card) return "has no card";
      return person.card_lost ? "has lost the card" : "";
    case Happening::card_replaced: return person.card_lost ? "" : "has lost no card";
    case Happening::card_returned:
    case Happening::key_compromise: return person.has_card ? "" : "has no card";
    case Happening::card_taken: return person.has_card ? "has a card" : "";
    case Happening::moved_abroad: return person.abroad ? "lives abroad" : "";
    case Happening::move:
    case Happening::marriage:
    case Happening::birthdate_correction:
    case Happening::reissue:
    case Happening::death: break;
  }
  return "";
}

void Deeds::happen(Person& person, Happening happening, const Details& details, Instant at) {
  switch (happening) {
    case Happening::move: return move(person, details, at);
    case Happening::marriage: return marry(person, details, at);
    case Happening::birthdate_correction: return correct_birthdate(person, details, at);
    case Happening::moved_abroad: return move_abroad(person, details, at);
    case Happening::renewal: return renew(person, at);
    case Happening::phone_enrolled: return enrol_phone(person, at);
    case Happening::phone_lost: return lose_phone(person, at);
    case Happening::phone_found: return find_phone(person, at);
    case Happening::phone_given_up:
    case Happening::phone_sold: return give_up_phone(person, at);
    case Happening::card_lost: return lose_card(person, at);
    case Happening::card_replaced:
    case Happening::card_taken: return take_card(person, at);
    case Happening::card_returned: return return_card(person, at);
    case Happening::death: return die(person, at);
    case Happening::key_compromise: return compromise(person, details, at);
    case Happening::reissue: return reissue(person, at);
  }
}

// A change of the four items: whatever carries them lapses at once, on the card and on the phone.
void Deeds::contents_change(Person& person, ResidenceRecord record, const Details& details,
                            Instant at) {
  check(record.items);
  record.since = at;
  person.records.push_back(std::move(record));
  for (const Seat seat : kSigningSeats) {
    registrar_.revoke(person, seat, at, Reason::affiliation_changed);
  }
  const Instant drawn = draw_wait(person.dice);
  const Instant wait = details.reissue_after.value_or(drawn);
  const Instant phone_wait = person.dice.between(10 * kMinute, 3 * kSecondsPerDay);
  if (person.has_card && !person.card_lost) await(person, Seat::card_signing, at + wait);
  if (person.has_phone && !person.phone_lost) {
    await(person, Seat::phone_signing, at + wait + phone_wait);
  }
}

void Deeds::move(Person& person, const Details& details, Instant at) {
  ResidenceRecord record = person.record();
  const bool elsewhere = person.dice.chance(60);
  const auto town = static_cast<std::size_t>(person.dice.below(towns_.size()));
  if (elsewhere) record.municipality = town;
  Persona persona = person.persona;
  if (persona.trait == Trait::abroad) persona.trait = Trait::ordinary;  // comes back
  write_address(record.items, persona, towns_[record.municipality], person.dice);
  if (details.address) {
    record.items.address = *details.address;
    record.items.address_map = details.address_map.value_or(plain_map(*details.address));
    record.municipality = town_of(*details.address, towns_, record.municipality);
  }
  contents_change(person, std::move(record), details, at);
  person.persona = persona;
  person.abroad = false;
}

void Deeds::move_abroad(Person& person, const Details& details, Instant at) {
  ResidenceRecord record = person.record();
  const Instant departure = at + person.dice.between(kSecondsPerDay, 30 * kSecondsPerDay);
  write_departure(record.items, japanese_date(departure));
  contents_change(person, std::move(record), details, at);
  person.abroad = true;
}

void Deeds::marry(Person& person, const Details& details, Instant at) {
  ResidenceRecord record = person.record();
  Persona persona = person.persona;
  authority::marry(persona, person.dice);
  write_name(record.items, persona);
  if (details.name) {
    record.items.name = *details.name;
    record.items.name_map = details.name_map.value_or(plain_map(*details.name));
  }
  contents_change(person, std::move(record), details, at);
  person.persona = persona;
}

void Deeds::correct_birthdate(Person& person, const Details& details, Instant at) {
  ResidenceRecord record = person.record();
  CivilDate date = draw_birthdate(person.dice);
  const int year = std::stoi(record.items.birthdate.substr(1, 4));
  if (year != 0) date = add_years(date, year - date.year);
  record.items.birthdate = details.birthdate.value_or(birthdate_text(date));
  contents_change(person, std::move(record), details, at);
}

void Deeds::renew(Person& person, Instant at) {
  for (const Seat seat : kCardSeats) {
    registrar_.revoke(person, seat, at, Reason::superseded);
    issue(person, seat, at);
  }
  if (!person.has_phone || person.phone_lost) return;
  const Instant wait = person.dice.between(kSecondsPerHour, 10 * kSecondsPerDay);
  for (const Seat seat : kPhoneSeats) {
    registrar_.revoke(person, seat, at, Reason::superseded);
    await(person, seat, person.lives_by_hand() ? at : at + wait);
  }
}

void Deeds::enrol_phone(Person& person, Instant at) {
  person.has_phone = true;
  for (const Seat seat : kPhoneSeats) issue(person, seat, at);
}

void Deeds::lose_phone(Person& person, Instant at) {
  person.phone_lost = true;
  for (const Seat seat : kPhoneSeats) {
    registrar_.hold(person, seat, at);
    cancel_awaited(person, seat);
  }
  const bool found = person.dice.chance(60);
  const Instant end = found ? person.dice.between(kSecondsPerHour, 20 * kSecondsPerDay)
                            : person.dice.between(2 * kSecondsPerDay, 30 * kSecondsPerDay);
  agenda_.put(person, found ? Errand::find_phone : Errand::give_up_phone, at + end);
}

// Authentication comes back; what carries the four items never does.
void Deeds::find_phone(Person& person, Instant at) {
  person.phone_lost = false;
  Agenda::cancel(person, Errand::find_phone);
  Agenda::cancel(person, Errand::give_up_phone);
  registrar_.release(person, Seat::phone_authentication, at);
  registrar_.revoke(person, Seat::phone_signing, at, Reason::superseded);
  await(person, Seat::phone_signing, at + person.dice.between(5 * kMinute, 3 * kSecondsPerDay));
}

void Deeds::give_up_phone(Person& person, Instant at) {
  Agenda::cancel(person, Errand::find_phone);
  Agenda::cancel(person, Errand::give_up_phone);
  for (const Seat seat : kPhoneSeats) {
    registrar_.revoke(person, seat, at, Reason::cessation_of_operation);
    cancel_awaited(person, seat);
  }
  person.has_phone = person.phone_lost = false;
}

void Deeds::lose_card(Person& person, Instant at) {
  person.card_lost = true;
  for (const Seat seat : kCardSeats) {
    registrar_.hold(person, seat, at);
    cancel_awaited(person, seat);
  }
  const Instant wait = person.dice.between(2 * kSecondsPerDay, 30 * kSecondsPerDay);
  agenda_.put(person, Errand::replace_card, at + wait);
}

void Deeds::take_card(Person& person, Instant at) {
  Agenda::cancel(person, Errand::replace_card);
  Agenda::cancel(person, Errand::take_card);
  person.has_card = true;
  person.card_lost = false;
  for (const Seat seat : kCardSeats) {
    registrar_.revoke(person, seat, at, Reason::cessation_of_operation);
    issue(person, seat, at);
  }
}

void Deeds::return_card(Person& person, Instant at) {
  give_up_phone(person, at);
  for (const Seat seat : kCardSeats) {
    registrar_.revoke(person, seat, at, Reason::cessation_of_operation);
    cancel_awaited(person, seat);
  }
  Agenda::cancel(person, Errand::replace_card);
  Agenda::cancel(person, Errand::renew_card);
  person.has_card = person.card_lost = false;
  const bool again = person.dice.chance(50);
  const Instant wait = person.dice.between(30 * kSecondsPerDay, 300 * kSecondsPerDay);
  if (again) agenda_.put(person, Errand::take_card, at + wait);
}

// Half of the deaths have cessationOfOperation, half no reason: no code tells that somebody died.
void Deeds::die(Person& person, Instant at) {
  std::optional<Reason> reason;
  if (person.dice.chance(50)) reason = Reason::cessation_of_operation;
  for (const Seat seat : kAllSeats) registrar_.revoke(person, seat, at, reason);
  person.due.fill(std::nullopt);
  person.has_card = person.card_lost = false;
  person.has_phone = person.phone_lost = false;
  person.died_at = at;
}

void Deeds::compromise(Person& person, const Details& details, Instant at) {
  if (details.on_phone == true && !person.has_phone) {
    throw Failure("person " + std::to_string(person.id) + " has no phone enrolled");
  }
  const bool drawn = person.dice.chance(50);
  const bool on_phone = person.has_phone && details.on_phone.value_or(drawn);
  const Instant wait = person.dice.between(kSecondsPerDay, 10 * kSecondsPerDay);
  const bool lost = on_phone ? person.phone_lost : person.card_lost;
  for (const Seat seat : on_phone ? kPhoneSeats : kCardSeats) {
    registrar_.revoke(person, seat, at, Reason::key_compromise);
    if (!lost) await(person, seat, at + details.reissue_after.value_or(wait));
  }
}

void Deeds::reissue(Person& person, Instant at) {
  for (const Seat seat : kAllSeats) {
    if (person.awaits(seat)) issue(person, seat, at);
  }
}

void Deeds::issue(Person& person, Seat seat, Instant at) {
  cancel_awaited(person, seat);
  if (!registrar_.issue(person, seat, at)) {
    await(person, seat, at + 30 * kSecondsPerDay);
    return;
  }
  if (seat != Seat::card_authentication) return;
  // One in seven forgets to renew in time, and comes when the certificate has expired.
  const Instant end = person.seat(seat)->not_after;
  const bool in_time = !person.dice.chance(14) || person.lives_by_hand();
  const Instant before = person.dice.between(kSecondsPerDay, 90 * kSecondsPerDay);
  const Instant after = person.dice.between(kSecondsPerDay, 200 * kSecondsPerDay);
  agenda_.put(person, Errand::renew_card, in_time ? end - before : end + after);
}

}  // namespace authority
