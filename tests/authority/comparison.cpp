#include "authority/comparison.hpp"

#include <algorithm>
#include <utility>

#include "authority/civil_time.hpp"
#include "authority/mixing.hpp"
#include "authority/publisher.hpp"

namespace authority {
namespace {

std::string describe_revoked(Instant date, std::optional<std::uint8_t> reason) {
  std::string text = "revoked at ";
  text.append(rfc3339(date)).append(reason ? ", reason " : ", no reason");
  return reason ? text.append(std::to_string(*reason)) : text;
}

std::string describe(const StatusAnswer& answer) {
  switch (answer.status) {
    case StatusAnswer::Status::good: return "good";
    case StatusAnswer::Status::revoked:
      return describe_revoked(answer.revocation_date, answer.reason);
    case StatusAnswer::Status::unknown: return "unknown";
  }
  return {};
}

}  // namespace

void Comparison::Counts::add(const StatusAnswer& answer) {
  switch (answer.status) {
    case StatusAnswer::Status::good: ++good; return;
    case StatusAnswer::Status::revoked: ++(answer.is_hold() ? held : revoked); return;
    case StatusAnswer::Status::unknown: ++unknown; return;
  }
}

Comparison::Comparison(const std::vector<AuthorityDescription>& authorities, Country& country,
                       const Schedule& schedule, ComparisonOptions options)
    : authorities_(authorities),
      country_(country),
      schedule_(schedule),
      options_(std::move(options)),
      dialogue_(authorities[options_.authority].identity.certificate.get(), options_.digest),
      client_(options_.url) {}

boost::asio::awaitable<nlohmann::json> Comparison::run() {
  co_await ask_about_issued();
  co_await ask_about_never_issued();
  nlohmann::json result{{"asked", issued_.good + issued_.revoked + issued_.held + issued_.unknown},
                        {"good", issued_.good},
                        {"revoked", issued_.revoked},
                        {"held", issued_.held},
                        {"unknown", issued_.unknown},
                        {"difference_count", difference_count_},
                        {"differences", differences_}};
  result["never_issued"] = {{"good", never_issued_.good},
                            {"unknown", never_issued_.unknown},
                            {"revoked", never_issued_.revoked + never_issued_.held}};
  if (oldest_) result["oldest_this_update"] = rfc3339(*oldest_);
  if (newest_) result["newest_this_update"] = rfc3339(*newest_);
  co_return result;
}

boost::asio::awaitable<void> Comparison::ask_about_issued() {
  const Books& books = country_.books(options_.authority);
  const std::size_t count = books.certificates().size();
  for (std::size_t begin = 0; begin < count; begin += options_.batch) {
    const std::size_t end = std::min(begin + options_.batch, count);
    std::vector<Serial> serials;
    for (std::size_t i = begin; i < end; ++i) serials.push_back(books.certificates()[i].serial);
    const std::vector<StatusAnswer> answers = co_await ask(serials);
    // The books may have grown since, and moved in memory: they are looked at anew.
    for (std::size_t i = begin; i < end; ++i) {
      compare(books.certificates()[i], answers[i - begin]);
    }
  }
}

boost::asio::awaitable<void> Comparison::ask_about_never_issued() {
  const std::vector<Serial> serials = serials_never_issued();
  for (std::size_t begin = 0; begin < serials.size(); begin += options_.batch) {
    const std::size_t end = std::min(begin + options_.batch, serials.size());
    const std::vector<Serial> batch(serials.begin() + static_cast<std::ptrdiff_t>(begin),
                                    serials.begin() + static_cast<std::ptrdiff_t>(end));
    const std::vector<StatusAnswer> answers = co_await ask(batch);
    for (const StatusAnswer& answer : answers) never_issued_.add(answer);
  }
}

boost::asio::awaitable<std::vector<StatusAnswer>> Comparison::ask(
    const std::vector<Serial>& serials) {
  const Octets question = dialogue_.question(serials);
  const Octets answer = co_await client_.post(question);
  co_return dialogue_.answers(serials, answer);
}

void Comparison::compare(const IssuedCertificate& certificate, const StatusAnswer& answer) {
  issued_.add(answer);
  oldest_ = std::min(oldest_.value_or(answer.this_update), answer.this_update);
  newest_ = std::max(newest_.value_or(answer.this_update), answer.this_update);
  const std::string expected = expectation(certificate, answer);
  const std::string got = describe(answer);
  if (expected == got) return;
  ++difference_count_;
  if (differences_.size() >= options_.differences_shown) return;
  differences_.push_back({{"serial", hexadecimal(certificate.serial)},
                          {"expected", expected},
                          {"got", got},
                          {"this_update", rfc3339(answer.this_update)}});
}

// In the words of describe(), or what is wrong with the moment the answer speaks of.
std::string Comparison::expectation(const IssuedCertificate& certificate,
                                    const StatusAnswer& answer) const {
  const Instant moment = answer.this_update;
  if (!schedule_.publishes_at(moment)) return "a thisUpdate at which a list was published";
  if (moment > country_.now()) return "a thisUpdate that is not in the future";
  if (options_.since && moment < *options_.since) {
    return std::string("a thisUpdate not before ").append(rfc3339(*options_.since));
  }
  // A responder with the list of issued serials doesn't know this one yet, any other calls it good.
  const bool unknown = answer.status == StatusAnswer::Status::unknown;
  if (unknown && certificate.issued_at > moment) return "unknown";
  const auto entry = entry_at(certificate, moment);
  return entry ? describe_revoked(entry->revocation_date, entry->reason) : "good";
}

// Neighbours of issued serials, serials of the authority's other generations (their certificates
// name the same issuer), and random ones of eight octets: a third each, about.
std::vector<Serial> Comparison::serials_never_issued() const {
  const Books& books = country_.books(options_.authority);
  const AuthorityDescription& own = authorities_[options_.authority];
  std::vector<Serial> found;
  const auto add = [&](const Serial& serial, std::size_t count_max) {
    if (found.size() < count_max && books.find(serial) == nullptr) found.push_back(serial);
  };
  const std::size_t third = options_.never_issued / 3;
  for (const IssuedCertificate& certificate : books.certificates()) {
    Serial next = certificate.serial;
    next.octets[next.size - 1U] ^= 1U;
    if (next.size > 1 || next.octets[0] != 0) add(next, third);
  }
  for (std::size_t i = 0; i < authorities_.size(); ++i) {
    const AuthorityDescription& other = authorities_[i];
    if (other.purpose != own.purpose || other.medium != own.medium) continue;
    for (const auto& certificate : country_.books(i).certificates()) {
      add(certificate.serial, 2 * third);
    }
  }
  for (std::uint64_t i = 0; found.size() < options_.never_issued; ++i) {
    add(Serial::of(mix64(derive_seed(i, "never issued")) >> 1U | 1U), options_.never_issued);
  }
  return found;
}

}  // namespace authority
