#include "server/upstream/circuit_breaker.hpp"

namespace server {

std::optional<CircuitBreaker::Pass> CircuitBreaker::admit(Clock::time_point now) {
  Ticks until = open_until_.load();
  if (until == 0) return Pass::normal;
  if (now.time_since_epoch().count() < until) return std::nullopt;
  // Whoever moves the end of the pause has the probe; for all others it is still open.
  if (open_until_.compare_exchange_strong(until, pause_end(now))) return Pass::probe;
  if (until == 0) return Pass::normal;
  return std::nullopt;
}

void CircuitBreaker::succeeded() {
  // Written only if they change: these lines of the cache are read by all.
  if (failures_.load() != 0) failures_.store(0);
  if (open_until_.load() != 0) open_until_.store(0);
}

void CircuitBreaker::failed(Pass pass, Clock::time_point now) {
  const std::uint32_t in_a_row = failures_.fetch_add(1) + 1;
  if (pass == Pass::probe) return open_until_.store(pause_end(now));
  if (in_a_row < failures_max_) return;
  Ticks closed = 0;  // what was under way when it opened does not prolong the pause
  open_until_.compare_exchange_strong(closed, pause_end(now));
}

CircuitBreaker::State CircuitBreaker::state(Clock::time_point now) const {
  const Ticks until = open_until_.load();
  if (until == 0) return State::closed;
  return now.time_since_epoch().count() < until ? State::open : State::half_open;
}

std::chrono::milliseconds CircuitBreaker::retry_after(Clock::time_point now) const {
  const Clock::time_point until{Clock::duration{open_until_.load()}};
  if (until <= now) return std::chrono::milliseconds{0};
  return std::chrono::ceil<std::chrono::milliseconds>(until - now);
}

void RetryBudget::earn() {
  std::int64_t balance = balance_.load();
  while (balance < kReserve && !balance_.compare_exchange_weak(balance, balance + 1)) {
  }
}

bool RetryBudget::spend() {
  std::int64_t balance = balance_.load();
  while (balance >= kRetry) {
    if (balance_.compare_exchange_weak(balance, balance - kRetry)) return true;
  }
  return false;
}

}  // namespace server
