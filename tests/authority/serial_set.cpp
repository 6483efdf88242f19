#include "authority/serial_set.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "authority/failure.hpp"

namespace authority {
namespace {

constexpr std::array<std::pair<std::string_view, Reason>, 5> kReasonNames{{
    {"keyCompromise", Reason::key_compromise},
    {"affiliationChanged", Reason::affiliation_changed},
    {"superseded", Reason::superseded},
    {"cessationOfOperation", Reason::cessation_of_operation},
    {"certificateHold", Reason::certificate_hold},
}};

Reason parse_reason(std::string_view text) {
  std::string known;
  for (const auto& [name, reason] : kReasonNames) {
    if (name == text) return reason;
    known += known.empty() ? "" : ", ";
    known += name;
  }
  throw Failure("'" + std::string(text) + "' is not a revocation reason; use one of " + known);
}

constexpr auto kBySerial = [](const NamedRevocation& a, const NamedRevocation& b) {
  return a.serial < b.serial;
};

}  // namespace

NamedRevocation parse_named_revocation(std::string_view text) {
  NamedRevocation revocation;
  const std::size_t first = text.find(':');
  revocation.serial = parse_serial(text.substr(0, first));
  if (first == std::string_view::npos) return revocation;
  const std::string_view rest = text.substr(first + 1);
  const std::size_t second = rest.find(':');
  revocation.reason = parse_reason(rest.substr(0, second));
  if (second != std::string_view::npos) revocation.date = parse_instant(rest.substr(second + 1));
  return revocation;
}

SerialSet::SerialSet(const SerialSetOptions& options)
    : space_(options.kind, options.seed, options.first_serial),
      generated_count_(options.entries),
      named_(options.named) {
  if (generated_count_ > space_.size()) {
    throw Failure("--first-serial leaves no room for that many --entries below 2^64; lower it");
  }
  std::sort(named_.begin(), named_.end(), kBySerial);
  for (std::size_t i = 0; i < named_.size(); ++i) {
    const Serial& serial = named_[i].serial;
    const auto index = space_.index_of(serial);
    const bool generated = index && *index < generated_count_;
    if (generated || (i > 0 && named_[i - 1].serial == serial)) {
      throw Failure("--revoke " + hexadecimal(serial) +
                    (generated ? ": the generated part of the list holds this serial already"
                               : ": named twice") +
                    "; a serial stands on a list once, so leave it out");
    }
  }
}

Serial SerialSet::serial_at(std::uint64_t index) const {
  if (index >= generated_count_) return named_.at(index - generated_count_).serial;
  return space_.serial_of(space_.key_at(index));
}

bool SerialSet::is_named(const Serial& serial) const {
  return std::binary_search(named_.begin(), named_.end(), NamedRevocation{serial, {}, {}},
                            kBySerial);
}

bool SerialSet::contains(const Serial& serial) const {
  const auto index = space_.index_of(serial);
  return (index && *index < generated_count_) || is_named(serial);
}

void SerialSet::pick_present(std::uint64_t picks, std::uint64_t seed, const Visitor& visit) const {
  if (picks > count()) {
    throw Failure("the list has " + std::to_string(count()) + " entries, fewer than --count " +
                  std::to_string(picks));
  }
  if (picks == 0) return;
  const Permutation order(0, count(), derive_seed(seed, "present"));
  for (std::uint64_t i = 0; i < picks; ++i) visit(serial_at(order.forward(i)));
}

void SerialSet::pick_absent(std::uint64_t picks, std::uint64_t seed, const Visitor& visit) const {
  if (picks == 0) return;
  const bool counter = space_.kind() == SerialKind::counter;
  const std::uint64_t spare = picks + named_.size();  // a named serial may sit on any pick
  const std::uint64_t end = counter ? std::max(generated_count_, spare) : space_.size();
  if (end > space_.size() || end - (counter ? 0 : generated_count_) < spare) {
    throw Failure("there are not that many serials outside the list; lower --count");
  }
  const Permutation order(counter ? 0 : generated_count_, end, derive_seed(seed, "absent"));
  const std::uint64_t draws = derive_seed(seed, "gaps");
  std::uint64_t found = 0;
  for (std::uint64_t i = 0; found < picks; ++i) {
    const std::uint64_t index = order.forward(counter ? i : generated_count_ + i);
    const Serial serial = counter ? space_.gap_beside(index, mix64(draws + i))
                                  : space_.serial_of(space_.key_at(index));
    if (contains(serial)) continue;
    visit(serial);
    ++found;
  }
}

}  // namespace authority
