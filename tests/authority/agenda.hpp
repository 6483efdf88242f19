// Agenda: who has which errand when, in order of time; of two at one moment the older one comes
// first.
#pragma once

#include <cstdint>
#include <optional>
#include <queue>
#include <vector>

#include "authority/instant.hpp"
#include "authority/person.hpp"

namespace authority {

struct Appointment {
  Instant at = 0;
  std::uint64_t number = 0;
  std::uint32_t person = 0;
  Errand errand = Errand::live;

  friend bool operator>(const Appointment& a, const Appointment& b) {
    return a.at != b.at ? a.at > b.at : a.number > b.number;
  }
};

class Agenda {
 public:
  // A person has one appointment for an errand: the newest.
  void put(Person& person, Errand errand, Instant at) {
    person.due[static_cast<std::size_t>(errand)] = at;
    queue_.push({at, next_number_++, person.id, errand});
  }

  static void cancel(Person& person, Errand errand) {
    person.due[static_cast<std::size_t>(errand)].reset();
  }

  // The next appointment up to and including `to`. It may be void: see take().
  std::optional<Appointment> next(Instant to) {
    if (queue_.empty() || queue_.top().at > to) return std::nullopt;
    const Appointment appointment = queue_.top();
    queue_.pop();
    return appointment;
  }

  // Whether the appointment still stands; if so, it doesn't any more.
  static bool take(Person& person, const Appointment& appointment) {
    auto& due = person.due[static_cast<std::size_t>(appointment.errand)];
    if (due != appointment.at) return false;
    due.reset();
    return true;
  }

 private:
  std::priority_queue<Appointment, std::vector<Appointment>, std::greater<>> queue_;
  std::uint64_t next_number_ = 0;
};

}  // namespace authority
