#include "server/upstream/connection_pool.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

namespace server {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

constexpr auto kQuiet = asio::as_tuple(asio::use_awaitable);
// Shorter than servers and firewalls commonly keep one.
constexpr std::chrono::seconds kIdleMax{30};

}  // namespace

// ---- leases ----

ConnectionPool::Lease::Lease(std::shared_ptr<ConnectionPool> pool,
                             std::unique_ptr<AuthorityConnection> connection)
    : pool_(std::move(pool)), connection_(connection ? std::move(connection) : pool_->make()) {
  pool_->leased_.push_back(*connection_);
}

void ConnectionPool::Lease::renew() {
  connection_ = pool_->make();
  pool_->leased_.push_back(*connection_);
}

ConnectionPool::Lease::~Lease() {
  if (!pool_) return;
  connection_->unlink();
  if (!keep_) connection_.reset();
  pool_->give_back(std::move(connection_));
}

// ---- who waits ----

ConnectionPool::Waiter::~Waiter() {
  if (queued) pool.leave_queue(*this);
  if (granted) pool.give_back(std::move(connection));
}

void ConnectionPool::enter_queue(Waiter& waiter) {
  queue_.push_back(waiter);
  waiter.queued = true;
  ++waiting_;
  count();
}

void ConnectionPool::leave_queue(Waiter& waiter) {
  waiter.unlink();
  waiter.queued = false;
  --waiting_;
  count();
}

asio::awaitable<ConnectionPool::Lease> ConnectionPool::acquire(Clock::time_point deadline) {
  const auto self = shared_from_this();  // the frame may outlive the client
  if (closed_) {
    throw AttemptFailed(AuthorityTrouble::shutting_down, "this server is ending",
                        AnotherAttempt::no);
  }
  if (auto connection = take_idle()) {
    ++in_use_;
    Lease lease(self, std::move(connection));
    count();
    co_return lease;
  }
  if (in_use_ < link_->connections_per_client()) {
    ++in_use_;
    Lease lease(self, nullptr);
    count();
    co_return lease;
  }
  if (waiting_ >= link_->queue_per_client()) {
    throw AttemptFailed(AuthorityTrouble::overloaded, "too many questions wait for a connection",
                        AnotherAttempt::no);
  }
  Waiter waiter(*this);
  waiter.timer.expires_at(deadline);
  enter_queue(waiter);
  error_code ec;
  std::tie(ec) = co_await waiter.timer.async_wait(kQuiet);
  if (waiter.granted) {
    waiter.granted = false;
    co_return Lease(self, std::move(waiter.connection));
  }
  if (closed_) {
    throw AttemptFailed(AuthorityTrouble::shutting_down, "this server is ending",
                        AnotherAttempt::no);
  }
  if (ec) throw boost::system::system_error(ec);  // cancelled
  throw AttemptFailed(AuthorityTrouble::timeout, "no connection became free in time",
                      AnotherAttempt::no);
}

asio::awaitable<void> ConnectionPool::pause(std::chrono::milliseconds duration) {
  const auto self = shared_from_this();
  if (closed_) co_return;
  Waiter waiter(*this);
  waiter.timer.expires_after(duration);
  pausing_.push_back(waiter);
  const auto [ec] = co_await waiter.timer.async_wait(kQuiet);
  if (ec && !closed_) throw boost::system::system_error(ec);
}

// ---- connections ----

std::unique_ptr<AuthorityConnection> ConnectionPool::make() const {
  return std::make_unique<AuthorityConnection>(executor_, *link_);
}

// The newest: so that those that are not needed grow old.
std::unique_ptr<AuthorityConnection> ConnectionPool::take_idle() {
  while (!idle_.empty()) {
    Idle newest = std::move(idle_.back());
    idle_.pop_back();
    const bool is_old = Clock::now() - newest.since > kIdleMax;
    if (!is_old && !newest.connection->is_stale()) return std::move(newest.connection);
  }
  return nullptr;
}

void ConnectionPool::retire_oldest() {
  if (idle_.empty()) return;
  const bool is_old = Clock::now() - idle_.front().since > kIdleMax;
  if (is_old || idle_.front().connection->is_stale()) idle_.pop_front();
}

// Null: it ended, and a new one may take its place.
void ConnectionPool::give_back(std::unique_ptr<AuthorityConnection> connection) {
  if (closed_) connection.reset();
  if (!closed_ && !queue_.empty()) {
    Waiter& first = queue_.front();
    leave_queue(first);
    first.granted = true;
    first.connection = std::move(connection);
    first.timer.cancel();
    return count();
  }
  --in_use_;
  retire_oldest();
  if (connection) idle_.push_back({std::move(connection), Clock::now()});
  count();
}

void ConnectionPool::close() {
  if (closed_) return;
  closed_ = true;
  idle_.clear();
  for (AuthorityConnection& connection : leased_) connection.close();
  for (Waiter& waiter : queue_) waiter.timer.cancel();
  for (Waiter& waiter : pausing_) waiter.timer.cancel();
  count();
}

ConnectionPool::~ConnectionPool() {
  idle_.clear();
  in_use_ = 0;
  waiting_ = 0;
  count();
}

void ConnectionPool::count() {
  const auto settle = [](std::atomic<std::int64_t>& gauge, std::int64_t& counted,
                         std::size_t is_now) {
    const auto now = static_cast<std::int64_t>(is_now);
    if (now != counted) gauge.fetch_add(now - counted, std::memory_order_relaxed);
    counted = now;
  };
  settle(link_->stats.connections_in_use, counted_in_use_, in_use_);
  settle(link_->stats.connections_idle, counted_idle_, idle_.size());
  settle(link_->stats.waiting, counted_waiting_, waiting_);
}

}  // namespace server
