// stall_guard.hpp: cuts the connection to a database that has stopped to speak. Statements'
// time-outs are PostgreSQL's to keep; a server that is frozen, or behind a network that swallows
// everything, keeps none, and libpq waits for ever. Knows sockets, no SQL.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>

namespace server {

// One connection, as the guard sees it. One thread uses it; the guard's own thread, of which the
// process has one, looks at it twice a second.
class StallGuard {
 public:
  // An answer may take that long.
  explicit StallGuard(std::chrono::milliseconds patience);
  ~StallGuard();
  StallGuard(const StallGuard&) = delete;
  StallGuard& operator=(const StallGuard&) = delete;

  // The guard keeps a descriptor of its own, so it never cuts what got the number afterwards.
  void connected(int socket);
  void closed();

  // As long as it lives, the answer to so many statements is awaited. After `patience` for each the
  // socket is shut down, and whoever waits for it is told that the connection broke. One within
  // another begins anew.
  class Wait {
   public:
    explicit Wait(StallGuard& guard, std::size_t statements = 1)
        : guard_(guard), is_inner_(guard.since_ != kIdle) {
      guard_.begin(statements);
    }
    ~Wait() {
      if (is_inner_) {
        guard_.begin(1);
      } else {
        guard_.since_ = kIdle;
      }
    }
    Wait(const Wait&) = delete;
    Wait& operator=(const Wait&) = delete;

   private:
    StallGuard& guard_;
    const bool is_inner_;
  };

 private:
  friend class StallWatcher;
  using Clock = std::chrono::steady_clock;
  static constexpr Clock::rep kIdle = 0;

  // Of several statements the wait begins later, as far as the guard knows: of three at most, as
  // few wait for locks, and whoever is frozen must be found out.
  void begin(std::size_t statements) {
    const auto later =
        patience_ * static_cast<Clock::rep>(std::min<std::size_t>(statements, 3) - 1);
    since_ = (Clock::now() + later).time_since_epoch().count();
  }
  void cut_if_stalled(Clock::time_point now);

  const Clock::duration patience_;
  std::atomic<Clock::rep> since_{kIdle};
  std::mutex mutex_;
  int socket_ = -1;
};

}  // namespace server
