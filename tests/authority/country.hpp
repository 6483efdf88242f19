// Country: a small Japan. People live in municipalities, hold certificates on cards and phones, and
// do what makes certificates lapse; the books of the authorities are written from their lives.
//
// The seed, the options and the calls made decide everything: the same calls give the same books
// and the same certificates, octet for octet, and one long step is the same as many short ones.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "authority/authorities.hpp"
#include "authority/books.hpp"

namespace authority {

class Consents;
class Registrar;
struct Person;

struct CountryOptions {
  std::uint64_t seed = 1;
  std::uint32_t people = 1000;        // numbered from 1
  std::uint32_t municipalities = 47;  // numbered from 0; at most 42,300
  Instant start = 0;                  // now() of a new country; five years of life lie before it
  double pace = 1.0;  // of all rates of life; 1 is about 0.6 events a person and year
};

class Country {
 public:
  // Plays the five years before `start`, so that the first lists have a past: people get their
  // first certificates at any time in them. `authorities` must outlive the country. Throws Failure
  // on options out of range, or if no card authority issues at `start`. Cost: about 20 microseconds
  // a person, twice that from a million on.
  Country(const CountryOptions& options, const std::vector<AuthorityDescription>& authorities);
  ~Country();
  Country(const Country&) = delete;
  Country& operator=(const Country&) = delete;

  // Plays all life up to and including `to`, in order of time. A moment in the past does nothing.
  void advance(Instant to);
  [[nodiscard]] Instant now() const;

  // One for each authority, in their order.
  [[nodiscard]] Books& books(std::size_t authority);

  // One for each municipality: "Tokyo-to", "Kiyokawa-shi", as the names of distribution points have
  // them. Two municipalities differ in at least one of the two.
  [[nodiscard]] std::size_t partitions() const;
  [[nodiscard]] std::string partition_prefecture(std::size_t partition) const;
  [[nodiscard]] std::string partition_name(std::size_t partition) const;

  // Does one thing to one person by hand: {"person": 7, "kind": "move", ...}; PROTOCOL.md has the
  // kinds and their options. The clock goes on by one second first, so that lists made at now()
  // stay as they were. Tells what it did to certificates. Throws Failure, with the possible kinds
  // or numbers in its text, on anything it does not know or that cannot happen to this person.
  nlohmann::json event(const nlohmann::json& request);

  // All that is known of a person; of everybody, in short. Throws Failure if there is no such
  // person.
  [[nodiscard]] nlohmann::json person(std::uint32_t id) const;
  [[nodiscard]] nlohmann::json people() const;

  // The DER of a certificate that stands in the books, made on demand. Throws Failure if it does
  // not.
  [[nodiscard]] Octets certificate(std::size_t authority, const Serial& serial) const;

  // The key of the same, with which its holder signs. Throws Failure likewise.
  [[nodiscard]] KeyPointer key(std::size_t authority, const Serial& serial) const;

  // How often each kind of event happened so far, history included.
  [[nodiscard]] const std::map<std::string, std::uint64_t>& occurrences() const;

  // For those who answer questions about people. `id` must be of a person.
  [[nodiscard]] Consents& consents();
  [[nodiscard]] const Registrar& registrar() const;
  [[nodiscard]] const Person& resident(std::uint32_t id) const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace authority
