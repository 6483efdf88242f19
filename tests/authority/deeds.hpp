// Deeds: what each happening does to a person's records and certificates, and which errands follow
// from it.
#pragma once

#include <string>
#include <vector>

#include "authority/agenda.hpp"
#include "authority/happening.hpp"
#include "authority/municipalities.hpp"
#include "authority/person.hpp"
#include "authority/registrar.hpp"

namespace authority {

class Deeds {
 public:
  // All three must outlive it.
  Deeds(const std::vector<Municipality>& towns, Registrar& registrar, Agenda& agenda)
      : towns_(towns), registrar_(registrar), agenda_(agenda) {}

  // Why it cannot happen to the person now: "has no phone". Empty if it can.
  [[nodiscard]] static std::string obstacle(const Person& person, Happening happening, Instant at);

  // REQUIRES: no obstacle. Throws Failure if `details` could not stand in a certificate; nothing
  // has happened then.
  void happen(Person& person, Happening happening, const Details& details, Instant at);

  // Issues what is awaited in a seat.
  void issue(Person& person, Seat seat, Instant at);

 private:
  void contents_change(Person& person, ResidenceRecord record, const Details& details, Instant at);
  void move(Person& person, const Details& details, Instant at);
  void move_abroad(Person& person, const Details& details, Instant at);
  void marry(Person& person, const Details& details, Instant at);
  void correct_birthdate(Person& person, const Details& details, Instant at);
  void renew(Person& person, Instant at);
  void lose_phone(Person& person, Instant at);
  void find_phone(Person& person, Instant at);
  void give_up_phone(Person& person, Instant at);
  void enrol_phone(Person& person, Instant at);
  void lose_card(Person& person, Instant at);
  void take_card(Person& person, Instant at);
  void return_card(Person& person, Instant at);
  void die(Person& person, Instant at);
  void compromise(Person& person, const Details& details, Instant at);
  void reissue(Person& person, Instant at);
  void await(Person& person, Seat seat, Instant at) { agenda_.put(person, issue_errand(seat), at); }

  const std::vector<Municipality>& towns_;
  Registrar& registrar_;
  Agenda& agenda_;
};

}  // namespace authority
