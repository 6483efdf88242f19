#include "server/upstream/authority_call.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>
#include <utility>

namespace server {

namespace asio = boost::asio;
using std::chrono::milliseconds;

namespace {

constexpr unsigned kAttemptsMax = 3;
constexpr milliseconds kBackOff{50};       // before the second attempt, give or take half
constexpr milliseconds kRetryAfter{2000};  // for those who ask us, if the authority says nothing

}  // namespace

void AuthorityCall::check_breaker() const {
  if (link_->breaker.state(Clock::now()) != CircuitBreaker::State::open) return;
  throw AttemptFailed(AuthorityTrouble::circuit_open, "it failed too often and is left alone",
                      AnotherAttempt::no);
}

void AuthorityCall::give_up(const AttemptFailed& failure) const {
  const milliseconds breaker = link_->breaker.retry_after(Clock::now());
  const milliseconds wait =
      std::max(breaker, failure.retry_after.value_or(breaker.count() > 0 ? breaker : kRetryAfter));
  throw AuthorityUnavailable(
      failure.trouble,
      fmt::format("the authority at {}: {} (after {} attempt{})", link_->address().authority,
                  failure.what(), attempts_, attempts_ == 1 ? "" : "s"),
      wait);
}

std::optional<milliseconds> AuthorityCall::pause_after(const AttemptFailed& failure) {
  if (failure.another == AnotherAttempt::no || attempts_ >= kAttemptsMax) return std::nullopt;
  std::uniform_real_distribution<double> jitter(0.5, 1.5);
  const double factor = jitter(*random_) * static_cast<double>(1U << (attempts_ - 1));
  auto pause = std::chrono::duration_cast<milliseconds>(kBackOff * factor);
  pause = std::max(pause, failure.retry_after.value_or(pause));
  if (Clock::now() + pause >= deadline_) return std::nullopt;
  if (link_->breaker.state(Clock::now() + pause) == CircuitBreaker::State::open) {
    return std::nullopt;
  }
  if (!link_->retries.spend()) return std::nullopt;
  return pause;
}

asio::awaitable<void> AuthorityCall::run(Read read) {
  link_->retries.earn();
  for (;;) {
    std::optional<AttemptFailed> failure;
    try {
      co_await attempt(read);
      co_return;
    } catch (const AttemptFailed& failed) {
      failure = failed;
    } catch (const boost::system::system_error& error) {
      // Cancelled, or the connection was closed because this server is ending.
      if (error.code() != asio::error::operation_aborted || !pool_->is_closed()) throw;
      failure.emplace(AuthorityTrouble::shutting_down, "this server is ending", AnotherAttempt::no);
    }
    link_->stats.troubles.at(static_cast<std::size_t>(failure->trouble))
        .fetch_add(1, std::memory_order_relaxed);
    const auto pause = pause_after(*failure);
    if (!pause) give_up(*failure);
    co_await pool_->pause(*pause);
    link_->stats.retries.fetch_add(1, std::memory_order_relaxed);
  }
}

asio::awaitable<void> AuthorityCall::attempt(const Read& read) {
  check_breaker();  // so that nobody waits in the queue for nothing
  ConnectionPool::Lease lease = co_await pool_->acquire(deadline_);
  const auto pass = link_->breaker.admit(Clock::now());
  if (!pass) check_breaker();
  ++attempts_;
  std::optional<AttemptFailed> failure;
  try {
    const AuthorityReply reply = co_await converse(lease);
    if (lease.connection().keeps_alive()) lease.keep();
    read(reply);
    link_->breaker.succeeded();
    co_return;
  } catch (const ReplyFault& fault) {
    failure.emplace(fault.trouble(), fault.what(), AnotherAttempt::no);
  } catch (const AttemptFailed& failed) {
    failure = failed;
    if (lease.connection().keeps_alive()) lease.keep();  // 503 is an answer, too
  }
  if (failure->trouble == AuthorityTrouble::rejected) {
    link_->breaker.succeeded();  // it is there, and thinks
  } else {
    link_->breaker.failed(pass.value_or(CircuitBreaker::Pass::normal), Clock::now());
  }
  throw AttemptFailed(*failure);
}

// A connection that was idle may have died on the way of the request: then it says nothing of the
// authority, and a new one is tried at once.
asio::awaitable<AuthorityReply> AuthorityCall::converse(ConnectionPool::Lease& lease) {
  if (lease.connection().is_open()) {
    bool is_dead = false;
    try {
      co_return co_await lease.connection().exchange(request_, deadline_);
    } catch (const AttemptFailed& failure) {
      is_dead = failure.trouble == AuthorityTrouble::closed;
      if (!is_dead) throw;
    }
    lease.renew();
  }
  // So that a connection that hangs leaves time for another one.
  const Clock::time_point half = Clock::now() + (deadline_ - Clock::now()) / 2;
  co_await lease.connection().open(half);
  co_return co_await lease.connection().exchange(request_, deadline_);
}

}  // namespace server
