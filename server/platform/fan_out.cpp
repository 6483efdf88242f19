#include "server/platform/fan_out.hpp"

#include <algorithm>
#include <optional>

#include "server/log.hpp"
#include "server/platform/pause.hpp"

namespace server {
namespace {

constexpr std::chrono::seconds kComplaintEvery{60};

}  // namespace

FanOut::FanOut(DatabaseConfig database, Options options)
    : database_(std::move(database)),
      options_(std::move(options)),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

FanOut::~FanOut() = default;

FanOut::Stats FanOut::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

void FanOut::run(const std::stop_token& stop) {
  std::optional<Connection> connection;
  while (!stop.stop_requested()) {
    try {
      if (!connection) connection.emplace(database_);
      turn(*connection, stop);
    } catch (const Conflict&) {  // somebody was in the way; the next turn does it
    } catch (const std::exception& error) {
      count_failure(error.what());
      connection.reset();
    }
    pause(stop, options_.tick);
  }
}

void FanOut::turn(Connection& connection, const std::stop_token& stop) {
  publish(connection, stop);
  if (Clock::now() >= next_measure_) {
    measure(connection);
    next_measure_ = Clock::now() + options_.measure_every;
  }
  if (Clock::now() >= next_prune_ || !to_prune_.empty()) prune(connection);
}

void FanOut::publish(Connection& connection, const std::stop_token& stop) {
  for (bool is_full = true; is_full && !stop.stop_requested();) {
    Session session(connection);
    const Published published = fan_out(session, options_.batch, options_.clock());
    session.commit();
    is_full = published.events == options_.batch;
    const std::lock_guard lock(mutex_);
    stats_.published += published.events;
  }
}

void FanOut::measure(Connection& connection) {
  Session session(connection);
  const Backlog waiting = backlog(session);
  const FeedLag lag = lag_of(feed_status(session));
  const std::lock_guard lock(mutex_);
  stats_.backlog = waiting;
  stats_.lag = lag;
}

// A batch a turn: publishing goes on meanwhile.
void FanOut::prune(Connection& connection) {
  const pki::Time now = options_.clock();
  if (!options_.is_borne_out || !options_.is_borne_out(now)) return;
  const pki::Time before = now - options_.life;
  Session session(connection);
  if (to_prune_.empty()) {
    const auto found = feeds_to_prune(session, before);
    to_prune_.assign(found.begin(), found.end());
    next_prune_ = Clock::now() + options_.prune_every;
  }
  if (to_prune_.empty()) return;
  const std::size_t pruned = prune_feed(session, to_prune_.front(), before, options_.prune_batch);
  session.commit();
  if (pruned < options_.prune_batch) to_prune_.pop_front();
  const std::lock_guard lock(mutex_);
  stats_.pruned += pruned;
}

void FanOut::count_failure(const char* what) {
  {
    const std::lock_guard lock(mutex_);
    ++stats_.failures;
  }
  if (Clock::now() < next_complaint_) return;
  next_complaint_ = Clock::now() + kComplaintEvery;
  log(Level::error, "fan_out_failed", {{"error", what}});
}

void add_feed_metrics(MetricsText& metrics, const FanOut::Stats& stats, std::size_t waiters,
                      pki::Time now) {
  const auto age_of = [now](const std::optional<pki::Time>& oldest) {
    const auto age = oldest ? now - *oldest : std::chrono::seconds{0};
    return static_cast<double>(std::max(age, std::chrono::seconds{0}).count());
  };
  metrics.gauge("tashika_feed_outbox_events", "Events that wait to be published; at most 100000.",
                {}, static_cast<double>(stats.backlog.events));
  metrics.gauge("tashika_feed_outbox_oldest_seconds", "Age of the oldest of them.", {},
                age_of(stats.backlog.oldest));
  metrics.gauge("tashika_feed_unacknowledged_items",
                "Items after the last acknowledgement, of the institution that is furthest behind.",
                {}, static_cast<double>(stats.lag.items));
  metrics.gauge("tashika_feed_unacknowledged_oldest_seconds",
                "Age of the oldest item that an institution which acknowledges has not.", {},
                age_of(stats.lag.oldest));
  metrics.gauge("tashika_feed_institutions_behind",
                "Institutions that acknowledge, and have not acknowledged all.", {},
                static_cast<double>(stats.lag.institutions));
  metrics.gauge("tashika_feed_institutions_silent",
                "Institutions that have items and never acknowledged any.", {},
                static_cast<double>(stats.lag.never_acknowledged));
  metrics.counter("tashika_feed_published_total", "Events that this process published.", {},
                  static_cast<double>(stats.published));
  metrics.counter("tashika_feed_pruned_total", "Items that this process removed as too old.", {},
                  static_cast<double>(stats.pruned));
  metrics.counter("tashika_feed_failures_total", "Turns of the fan-out that failed.", {},
                  static_cast<double>(stats.failures));
  metrics.gauge("tashika_feed_waiters", "Requests that wait for changes.", {},
                static_cast<double>(waiters));
}

}  // namespace server
