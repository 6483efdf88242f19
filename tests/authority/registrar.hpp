// Registrar: issues, holds, releases and revokes people's certificates, by writing into the books
// of the authority whose turn it is. It knows no reasons why; life does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "authority/authorities.hpp"
#include "authority/books.hpp"
#include "authority/person.hpp"

namespace authority {

enum class Verb : std::uint8_t { issued, held, released, revoked };

// One thing the registrar did.
struct Action {
  Verb verb = Verb::issued;
  Seat seat = Seat::card_signing;
  CertificateNumber certificate;
  std::optional<Reason> reason;
};

class Registrar {
 public:
  // `authorities` must outlive it. The seed decides the long serials.
  Registrar(std::uint64_t seed, const std::vector<AuthorityDescription>& authorities);

  // The authority that issues for the seat at that moment: active_from <= at < active_to, and the
  // newest generation if there are several.
  [[nodiscard]] std::optional<std::size_t> issuer(Seat seat, Instant at) const;

  // Gives the person a new certificate, valid to the end of the fifth birthday after `at` (the
  // tenth from the fourth generation on). The serial is the authority's next number; for people
  // with long serials and for one certificate in 400 it has 20 octets. Returns whether any
  // authority issues.
  bool issue(Person& person, Seat seat, Instant at);

  // These do nothing to a certificate that is not there, is expired, or is in no condition for it:
  // only a good one can be held, only a held one released, only a good or held one revoked.
  void hold(Person& person, Seat seat, Instant at);
  void release(Person& person, Seat seat, Instant at);
  // The date of revocation is `at` or up to six hours before; of a held certificate it is, by the
  // person's dice, the date of the hold or a new one.
  void revoke(Person& person, Seat seat, Instant at, std::optional<Reason> reason);

  [[nodiscard]] Books& books(std::size_t authority) { return books_.at(authority); }
  [[nodiscard]] const Books& books(std::size_t authority) const { return books_.at(authority); }
  [[nodiscard]] const AuthorityDescription& authority(std::size_t index) const {
    return authorities_.at(index);
  }
  [[nodiscard]] std::size_t authorities() const { return authorities_.size(); }

  // What was done since the last call.
  [[nodiscard]] std::vector<Action> take_actions();
  void forget_actions() { actions_.clear(); }

 private:
  Serial next_serial(std::size_t authority, Person& person);
  void record(Person& person, Seat seat, const Recorded& line);

  const std::vector<AuthorityDescription>& authorities_;
  std::vector<Books> books_;
  std::vector<std::uint64_t> next_serials_;
  std::vector<Action> actions_;
  Dice long_serials_;
};

// The last second of the `count`th birthday after `issued_at`, as Japan counts days. A birthdate
// without month and day is counted from the day of issue.
[[nodiscard]] Instant end_of_birthday(const std::string& birthdate, Instant issued_at, int count);

}  // namespace authority
