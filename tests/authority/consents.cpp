#include "authority/consents.hpp"

#include <algorithm>
#include <utility>

#include "authority/civil_time.hpp"

namespace authority {
namespace {

constexpr int kTermYears = 10;

// "consent-000001".
std::string id_of(std::size_t number) {
  return "consent-" + std::to_string(1'000'000 + number).substr(1);
}

}  // namespace

const Consent& Consents::add(ConsentRequest request) {
  const Instant given =
      rule_ == TermRule::from_received ? request.received_at : request.reflected_at;
  const CivilDate day = japanese_date(given);
  Consent consent;
  consent.id = id_of(consents_.size() + 1);
  consent.request = std::move(request);
  consent.valid_from = start_of_japanese_day(day_after(day));
  consent.valid_until = start_of_japanese_day(day_after(add_years(day, kTermYears))) - 1;
  return consents_.emplace_back(std::move(consent));
}

const Consent* Consents::find(std::string_view id) const {
  const auto found = std::find_if(consents_.begin(), consents_.end(),
                                  [id](const Consent& consent) { return consent.id == id; });
  return found == consents_.end() ? nullptr : &*found;
}

const Consent* Consents::withdraw(std::string_view id, Instant at, std::string channel) {
  const Consent* const found = find(id);
  if (found == nullptr || found->withdrawal) return found;
  const auto index = static_cast<std::size_t>(found - consents_.data());
  withdrawals_.push_back(index);
  consents_[index].withdrawal = {withdrawals_.size(), at, std::move(channel)};
  return &consents_[index];
}

std::vector<const Consent*> Consents::of_person(std::uint32_t person) const {
  std::vector<const Consent*> result;
  for (const Consent& consent : consents_) {
    if (consent.request.person == person) result.push_back(&consent);
  }
  return result;
}

std::vector<const Consent*> Consents::withdrawn_after(std::uint64_t after,
                                                      std::size_t limit) const {
  std::vector<const Consent*> result;
  for (std::uint64_t sequence = after; sequence < withdrawals_.size() && result.size() < limit;
       ++sequence) {
    result.push_back(&consents_[withdrawals_[static_cast<std::size_t>(sequence)]]);
  }
  return result;
}

}  // namespace authority
