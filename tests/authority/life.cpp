#include "authority/life.hpp"

#include <array>

#include "authority/failure.hpp"

namespace authority {
namespace {

constexpr double kPaceMin = 0.05;
constexpr double kPaceMax = 1000;
constexpr std::uint64_t kSecondsPerYear = 31'557'600;

struct Rate {
  Happening happening;
  std::uint64_t weight;  // in 1000 years of a person at pace 1
};

// More than in the country outside, in its proportions: small populations shall see everything.
constexpr std::array<Rate, 11> kRates{{
    {Happening::move, 220},
    {Happening::phone_enrolled, 250},
    {Happening::phone_lost, 60},
    {Happening::phone_sold, 50},
    {Happening::card_lost, 35},
    {Happening::marriage, 30},
    {Happening::moved_abroad, 12},
    {Happening::birthdate_correction, 10},
    {Happening::death, 9},
    {Happening::key_compromise, 8},
    {Happening::card_returned, 6},
}};

constexpr std::uint64_t kWeights = [] {
  std::uint64_t sum = 0;
  for (const Rate& rate : kRates) sum += rate.weight;
  return sum;
}();

Happening draw_happening(Dice& dice) {
  std::uint64_t drawn = dice.below(kWeights);
  for (const Rate& rate : kRates) {
    if (drawn < rate.weight) return rate.happening;
    drawn -= rate.weight;
  }
  return Happening::move;
}

}  // namespace

Life::Life(double pace, const std::vector<Municipality>& towns, Registrar& registrar,
           std::vector<Person>& people, Instant from, Instant until)
    : people_(people), deeds_(towns, registrar, agenda_) {
  if (!(pace >= 0 && pace <= kPaceMax))
    throw Failure("the pace of life is a number from 0 to 1000");
  if (pace > 0) {
    mean_gap_ =
        static_cast<std::uint64_t>(static_cast<double>(kSecondsPerYear * 1000 / kWeights) / pace);
  }
  for (Person& person : people_) {
    agenda_.put(person, Errand::take_card, person.dice.between(from, until));
  }
}

void Life::play(Instant to) {
  while (const auto appointment = agenda_.next(to)) {
    Person& person = people_[appointment->person - 1];
    if (Agenda::take(person, *appointment)) keep(person, *appointment);
  }
}

void Life::happen(Person& person, Happening happening, const Details& details, Instant at) {
  const std::string obstacle = Deeds::obstacle(person, happening, at);
  if (!obstacle.empty()) {
    throw Failure("person " + std::to_string(person.id) + " " + obstacle + ": no " +
                  std::string(to_text(happening)));
  }
  deeds_.happen(person, happening, details, at);
  ++occurrences_[std::string(to_text(happening))];
}

void Life::keep(Person& person, const Appointment& appointment) {
  const Instant at = appointment.at;
  const auto if_possible = [&](Happening happening) {
    if (Deeds::obstacle(person, happening, at).empty()) happen(person, happening, {}, at);
  };
  switch (appointment.errand) {
    case Errand::issue_card_signing:
    case Errand::issue_card_authentication:
    case Errand::issue_phone_signing:
    case Errand::issue_phone_authentication:
      return deeds_.issue(person, static_cast<Seat>(appointment.errand), at);
    case Errand::find_phone: return happen(person, Happening::phone_found, {}, at);
    case Errand::give_up_phone: return happen(person, Happening::phone_given_up, {}, at);
    case Errand::replace_card: return happen(person, Happening::card_replaced, {}, at);
    case Errand::renew_card: return if_possible(Happening::renewal);
    case Errand::take_card:
      if_possible(Happening::card_taken);
      if (person.certificates.size() > 2) return;  // not the first card
      if (person.lives_by_hand()) return if_possible(Happening::phone_enrolled);
      return await_life(person, at);
    case Errand::live: return live(person, at);
  }
}

void Life::live(Person& person, Instant at) {
  const Happening happening = draw_happening(person.dice);
  if (Deeds::obstacle(person, happening, at).empty()) happen(person, happening, {}, at);
  if (!person.died_at) await_life(person, at);
}

void Life::await_life(Person& person, Instant at) {
  if (mean_gap_ == 0) return;
  const auto gap = static_cast<Instant>(1 + person.dice.below(2 * mean_gap_));
  agenda_.put(person, Errand::live, at + gap);
}

}  // namespace authority
