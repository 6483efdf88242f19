// fan_out.hpp: the thread that publishes what happened: outbox to feeds, again and again; and
// removes what the feeds need not keep any more.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>

#include "libpki/asn1_time.hpp"
#include "server/metrics.hpp"
#include "server/store/feed.hpp"

namespace server {

// Several servers may run one each: they take turns. One may die at any time: what it was doing is
// undone by the database, and another does it again.
class FanOut {
 public:
  struct Options {
    std::chrono::milliseconds tick{200};  // an event waits one of these; 2 s are promised
    std::size_t batch = 5'000;            // events of one transaction: about 100 ms
    std::chrono::hours life{400 * 24};    // what is older is removed
    std::size_t prune_batch = 1'000;      // items of one transaction, one a tick
    std::chrono::minutes prune_every{60};
    std::chrono::seconds measure_every{5};
    std::function<pki::Time()> clock;             // the process's
    std::function<bool(pki::Time)> is_borne_out;  // without it nothing is removed
  };

  // Works without the database until it is there.
  FanOut(DatabaseConfig database, Options options);
  ~FanOut();

  struct Stats {
    std::uint64_t published = 0;  // events, ever, by this process
    std::uint64_t pruned = 0;
    std::uint64_t failures = 0;
    Backlog backlog;  // at the last measurement, as is:
    FeedLag lag;
  };
  [[nodiscard]] Stats stats() const;

 private:
  using Clock = std::chrono::steady_clock;

  void run(const std::stop_token& stop);
  void turn(Connection& connection, const std::stop_token& stop);
  void publish(Connection& connection, const std::stop_token& stop);
  void measure(Connection& connection);
  void prune(Connection& connection);
  void count_failure(const char* what);

  const DatabaseConfig database_;
  const Options options_;
  // Of the thread alone:
  std::deque<std::string> to_prune_;
  Clock::time_point next_measure_;
  Clock::time_point next_prune_;
  Clock::time_point next_complaint_;

  mutable std::mutex mutex_;
  Stats stats_;          // protected by mutex_
  std::jthread thread_;  // the last: it uses the others
};

// What an operations team needs to see of the feeds.
void add_feed_metrics(MetricsText& metrics, const FanOut::Stats& stats, std::size_t waiters,
                      pki::Time now);

}  // namespace server
