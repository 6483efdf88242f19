// circuit_breaker.hpp: leaves the authority alone for a while after it failed several times in a
// row; and how many retries are allowed. No clock: time is an argument. Any thread.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>

namespace server {

class CircuitBreaker {
 public:
  using Clock = std::chrono::steady_clock;
  enum class State : std::uint8_t { closed, open, half_open };
  // How an attempt was let through. A probe decides alone whether the breaker closes or the pause
  // begins anew.
  enum class Pass : std::uint8_t { normal, probe };

  // Opens after `failures_max` in a row, for `pause`.
  CircuitBreaker(std::uint32_t failures_max, std::chrono::milliseconds pause)
      : failures_max_(failures_max), pause_(pause) {}

  // Nothing: leave it alone until retry_after(). After the pause one caller gets the probe; if
  // nothing is heard of it, another one gets it after another pause.
  [[nodiscard]] std::optional<Pass> admit(Clock::time_point now);

  void succeeded();
  void failed(Pass pass, Clock::time_point now);

  [[nodiscard]] State state(Clock::time_point now) const;
  // Zero if an attempt would be let through.
  [[nodiscard]] std::chrono::milliseconds retry_after(Clock::time_point now) const;

 private:
  using Ticks = Clock::rep;
  [[nodiscard]] Ticks pause_end(Clock::time_point now) const {
    return (now + pause_).time_since_epoch().count();
  }

  const std::uint32_t failures_max_;
  const std::chrono::milliseconds pause_;
  std::atomic<std::uint32_t> failures_{0};
  std::atomic<Ticks> open_until_{0};  // 0: closed
};

// Retries are a tenth of the questions, and some in reserve: an authority in trouble must not get
// several times its usual load from those who want to help.
class RetryBudget {
 public:
  void earn();                 // a question was asked
  [[nodiscard]] bool spend();  // false: no retry

 private:
  static constexpr std::int64_t kRetry = 10;  // in tenths of a retry
  static constexpr std::int64_t kReserve = 10 * kRetry;
  std::atomic<std::int64_t> balance_{kReserve};
};

}  // namespace server
