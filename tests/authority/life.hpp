// Life: what happens to everybody as time goes on, how often, and in which order.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "authority/agenda.hpp"
#include "authority/deeds.hpp"

namespace authority {

class Life {
 public:
  // Everybody takes a first card at some moment of [from, until). `people` is indexed by id - 1;
  // all arguments must outlive it. Throws Failure unless pace is 0, or from 0.05 to
  // 1000.
  Life(double pace, const std::vector<Municipality>& towns, Registrar& registrar,
       std::vector<Person>& people, Instant from, Instant until);

  // All that is due up to and including `to`, in order of time.
  void play(Instant to);

  // Does it now, and counts it. Throws Failure if there is an obstacle.
  void happen(Person& person, Happening happening, const Details& details, Instant at);

  [[nodiscard]] const std::map<std::string, std::uint64_t>& occurrences() const {
    return occurrences_;
  }

 private:
  void keep(Person& person, const Appointment& appointment);
  void live(Person& person, Instant at);
  void await_life(Person& person, Instant at);

  std::vector<Person>& people_;
  Agenda agenda_;
  Deeds deeds_;
  std::uint64_t mean_gap_ = 0;  // seconds between what life brings a person; 0: nothing
  std::map<std::string, std::uint64_t> occurrences_;
};

}  // namespace authority
