#include "server/platform/waiting_room.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "server/platform/problem.hpp"

namespace server {

namespace asio = boost::asio;

// Lives on the thread of its executor, except for `pos` and the executor, which never change.
struct WaitingRoom::Waiter {
  Waiter(const asio::any_io_executor& on, std::int64_t after)
      : executor(on), timer(on), pos(after) {}

  void end(Woken reason) {
    if (is_over) return;
    is_over = true;
    why = reason;
    timer.cancel();
  }

  asio::any_io_executor executor;
  asio::steady_timer timer;
  const std::int64_t pos;
  Woken why = Woken::timed_out;
  bool is_over = false;
};

// A waiter leaves however its coroutine ends.
class WaitingRoom::Place {
 public:
  Place(WaitingRoom& room, const std::string& institution_id, const Waiter* waiter)
      : room_(room), institution_id_(institution_id), waiter_(waiter) {}
  ~Place() { room_.leave(institution_id_, waiter_); }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

 private:
  WaitingRoom& room_;
  const std::string& institution_id_;
  const Waiter* waiter_;
};

WaitingRoom::WaitingRoom() = default;
WaitingRoom::~WaitingRoom() = default;

std::uint64_t WaitingRoom::moment() const {
  const std::lock_guard lock(mutex_);
  return moment_;
}

// Null if there is nothing to wait for.
std::shared_ptr<WaitingRoom::Waiter> WaitingRoom::enter(const std::string& institution_id,
                                                        std::shared_ptr<Waiter> waiter,
                                                        std::uint64_t since) {
  const std::lock_guard lock(mutex_);
  Feed& feed = feeds_[institution_id];
  if (feed.told_at > since || all_told_at_ > since) return nullptr;
  if (feed.waiters.size() >= kWaitersMax) {
    Problem problem(ProblemKind::too_many_waiters,
                    "Two requests of your institution wait already; one poller is enough.");
    problem.retry_after(std::chrono::seconds{1});
    throw problem;
  }
  feed.waiters.push_back(waiter);
  ++count_;
  return waiter;
}

void WaitingRoom::leave(const std::string& institution_id, const Waiter* waiter) {
  const std::lock_guard lock(mutex_);
  auto& waiters = feeds_[institution_id].waiters;
  count_ -= std::erase_if(waiters, [&](const auto& one) { return one.get() == waiter; });
}

asio::awaitable<WaitingRoom::Woken> WaitingRoom::wait(const std::string& institution_id,
                                                      std::int64_t pos, std::uint64_t since,
                                                      std::chrono::steady_clock::time_point until,
                                                      const OnPeerGone& on_peer_gone) {
  const auto executor = co_await asio::this_coro::executor;
  const auto waiter = enter(institution_id, std::make_shared<Waiter>(executor, pos), since);
  if (!waiter) co_return Woken::told;
  const Place place(*this, institution_id, waiter.get());
  {
    const std::lock_guard lock(mutex_);
    if (is_draining_) co_return Woken::draining;
  }
  if (on_peer_gone) {
    on_peer_gone([weak = std::weak_ptr<Waiter>(waiter)] {
      if (const auto gone = weak.lock()) gone->end(Woken::peer_gone);
    });
  }
  // Whoever ends the wait from another thread posts to this one, so not before the timer runs.
  waiter->timer.expires_at(until);
  boost::system::error_code ignored;
  if (!waiter->is_over) {
    co_await waiter->timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
  co_return waiter->why;
}

void WaitingRoom::wake(const std::vector<std::shared_ptr<Waiter>>& waiters, Woken why) {
  for (const auto& waiter : waiters) {
    asio::post(waiter->executor, [waiter, why] { waiter->end(why); });
  }
}

void WaitingRoom::tell(const std::vector<std::string>& institution_ids) {
  const std::lock_guard lock(mutex_);
  ++moment_;
  for (const std::string& institution_id : institution_ids) {
    Feed& feed = feeds_[institution_id];
    feed.told_at = moment_;
    wake(feed.waiters, Woken::told);
  }
}

void WaitingRoom::tell_all() {
  const std::lock_guard lock(mutex_);
  all_told_at_ = ++moment_;
  for (const auto& [institution_id, feed] : feeds_) wake(feed.waiters, Woken::told);
}

void WaitingRoom::tell_end(const std::string& institution_id, std::int64_t last_pos) {
  const std::lock_guard lock(mutex_);
  const auto feed = feeds_.find(institution_id);
  if (feed == feeds_.end()) return;
  std::vector<std::shared_ptr<Waiter>> behind;
  for (const auto& waiter : feed->second.waiters) {
    if (waiter->pos != last_pos) behind.push_back(waiter);
  }
  wake(behind, Woken::told);
}

void WaitingRoom::drain() {
  const std::lock_guard lock(mutex_);
  is_draining_ = true;
  for (const auto& [institution_id, feed] : feeds_) wake(feed.waiters, Woken::draining);
}

std::size_t WaitingRoom::waiters() const {
  const std::lock_guard lock(mutex_);
  return count_;
}

std::vector<std::string> WaitingRoom::institutions() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> out;
  for (const auto& [institution_id, feed] : feeds_) {
    if (!feed.waiters.empty()) out.push_back(institution_id);
  }
  return out;
}

}  // namespace server
