#include "authority/consents.hpp"

#include <charconv>
#include <utility>

#include "authority/civil_time.hpp"

namespace authority {
namespace {

constexpr int kTermYears = 10;

constexpr std::string_view kPrefix = "consent-";

// The day after the last one: the day that answers to the first (Civil Code 143(2)). A 29 February
// that is not there ends with its month.
CivilDate end_of_term(const CivilDate& first) {
  const CivilDate answering{first.year + kTermYears, first.month, first.day};
  return exists(answering) ? answering : CivilDate{answering.year, 3, 1};
}

// "consent-000001"; the millionth has a digit more.
std::string id_of(std::size_t number) {
  std::string digits = std::to_string(number);
  if (digits.size() < 6) digits.insert(0, 6 - digits.size(), '0');
  return std::string(kPrefix).append(digits);
}

}  // namespace

const Consent& Consents::add(ConsentRequest request) {
  const Instant given =
      rule_ == TermRule::from_received ? request.received_at : request.reflected_at;
  const CivilDate day = japanese_date(given);
  Consent consent;
  consent.id = id_of(consents_.size() + 1);
  consent.request = std::move(request);
  const CivilDate first = day_after(day);
  consent.valid_from = start_of_japanese_day(first);
  consent.valid_until = start_of_japanese_day(end_of_term(first)) - 1;
  return consents_.emplace_back(std::move(consent));
}

const Consent* Consents::find(std::string_view id) const {
  if (!id.starts_with(kPrefix)) return nullptr;
  std::size_t number = 0;
  std::from_chars(id.data() + kPrefix.size(), id.data() + id.size(), number);
  if (number < 1 || number > consents_.size()) return nullptr;
  const Consent& candidate = consents_[number - 1];
  return candidate.id == id ? &candidate : nullptr;
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
