#include "server/http_budget.hpp"

#include <chrono>

#include "server/log.hpp"
#include "server/metrics.hpp"

namespace server {

namespace {

constexpr std::int64_t kLogPause = 10;  // seconds between two lines about the same

std::int64_t steady_second() {
  return std::chrono::floor<std::chrono::seconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

HttpBudget::Share::Share(HttpBudget& budget) : budget_(budget) {
  ++budget_.open_connections_;
}

HttpBudget::Share::~Share() {
  release_body();
  if (is_admitted_) {
    const std::lock_guard lock(budget_.mutex_);
    if (--party_->second.connections == 0) budget_.parties_.erase(party_);
  }
  --budget_.open_connections_;
}

bool HttpBudget::Share::admit(const Thumbprint& thumbprint) {
  {
    const std::lock_guard lock(budget_.mutex_);
    const auto found = budget_.parties_.try_emplace(thumbprint).first;
    const std::uint32_t max = budget_.limits_.certificate_connections;
    if (max == 0 || found->second.connections < max) {
      ++found->second.connections;
      party_ = found;
      is_admitted_ = true;
      return true;
    }
  }
  budget_.note(Shortage::certificate_connections);
  return false;
}

bool HttpBudget::Share::hold_body(std::uint64_t bytes) {
  const std::uint64_t max = budget_.limits_.body_bytes;
  if (max == 0 || bytes <= body_bytes_) return true;
  const std::uint64_t more = bytes - body_bytes_;
  body_bytes_ = bytes;
  bool is_too_much = (budget_.body_bytes_ += more) > max;
  if (is_admitted_) {
    is_too_much = (party_->second.body_bytes += more) > max / kCertificateShare || is_too_much;
  }
  if (!is_too_much) return true;
  release_body();
  budget_.note(Shortage::bodies);
  return false;
}

void HttpBudget::Share::release_body() {
  budget_.body_bytes_ -= body_bytes_;
  if (is_admitted_) party_->second.body_bytes -= body_bytes_;
  body_bytes_ = 0;
}

void HttpBudget::note(Shortage what) {
  const auto place = static_cast<std::size_t>(what);
  const std::uint64_t count = ++shortages_[place];
  const std::int64_t now = steady_second();
  std::int64_t last = logged_second_[place];
  if (last != 0 && now - last < kLogPause) return;
  if (!logged_second_[place].compare_exchange_strong(last, now)) return;  // another thread does
  log(Level::warning, "listener_at_its_limit", {{"of", kShortages[place]}, {"count", count}});
}

void HttpBudget::describe(MetricsText& text, const std::string& listener) const {
  for (std::size_t i = 0; i < kShortages.size(); ++i) {
    text.counter("tashika_http_shortages_total",
                 "Connections and bodies that found a listener at its limit, by which.",
                 {{"listener", listener}, {"of", std::string(kShortages[i])}},
                 static_cast<double>(shortages_[i]));
  }
  text.gauge("tashika_http_body_bytes", "Bodies received and not answered yet, in bytes.",
             {{"listener", listener}}, static_cast<double>(body_bytes_));
}

}  // namespace server
