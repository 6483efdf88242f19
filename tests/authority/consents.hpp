// Consents: what people allowed an institution to be told of them, for how long, and what they took
// back. One consent is for one service; it outlives any number of certificates.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "authority/instant.hpp"

namespace authority {

// Which day starts the ten years is told in two ways: the day the institution received the consent,
// or the day it was reflected here.
enum class TermRule : std::uint8_t { from_received, from_reflected };

struct ConsentRequest {
  std::uint32_t person = 0;
  std::string institution;
  std::string service;
  std::vector<std::string> items;  // of "name", "address", "birthdate", "sex"; each at most once
  Instant received_at = 0;         // by the institution
  Instant reflected_at = 0;        // here
};

struct Withdrawal {
  std::uint64_t sequence = 0;  // from 1, without gaps
  Instant at = 0;
  std::string channel;  // "institution", or "own_app": the person's, which no institution sees
};

struct Consent {
  std::string id;
  ConsentRequest request;
  Instant valid_from = 0;   // 00:00:00 in Japan of the day after; kept for show, the consent counts
                            // as soon as it is reflected
  Instant valid_until = 0;  // 23:59:59 in Japan, ten years later: the last second
  std::optional<Withdrawal> withdrawal;
};

class Consents {
 public:
  explicit Consents(TermRule rule = TermRule::from_received) : rule_(rule) {}

  const Consent& add(ConsentRequest request);

  // In order of registration.
  [[nodiscard]] const std::vector<Consent>& all() const { return consents_; }

  // Null if there is no such consent. Cost: O(1).
  [[nodiscard]] const Consent* find(std::string_view id) const;

  // Takes the consent back; if that was done before, nothing changes. Null if there is none.
  const Consent* withdraw(std::string_view id, Instant at, std::string channel);

  [[nodiscard]] std::vector<const Consent*> of_person(std::uint32_t person) const;

  // The withdrawn ones whose sequence number is greater than `after`, in order, at most `limit`.
  [[nodiscard]] std::vector<const Consent*> withdrawn_after(std::uint64_t after,
                                                            std::size_t limit) const;

 private:
  TermRule rule_;
  std::vector<Consent> consents_;         // number n is consents_[n - 1]
  std::vector<std::size_t> withdrawals_;  // sequence number n: index in consents_
};

}  // namespace authority
