// waiting_room.hpp: requests that wait for something to happen in a feed, in one process. Knows
// nothing of the database: change_listener.hpp tells it what happened.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

namespace server {

// Calls back, at most once, when the client has gone; on the thread of the request.
using OnPeerGone = std::function<void(std::function<void()>)>;

// Any thread. A waiter costs a timer, no thread and no query.
class WaitingRoom {
 public:
  static constexpr std::size_t kWaitersMax = 2;  // of one institution

  WaitingRoom();
  ~WaitingRoom();

  // A moment in the sequence of what was told. Take it before reading the feed: what is told
  // between the read and wait() then ends the wait at once.
  [[nodiscard]] std::uint64_t moment() const;

  enum class Woken : std::uint8_t { told, timed_out, peer_gone, draining };
  // Waits, on the executor of the coroutine (one thread), until something is told of the
  // institution's feed that `pos` does not know, or the time is over, or the client has gone, or
  // drain(). The arguments must live until then. Throws Problem(too_many_waiters).
  [[nodiscard]] boost::asio::awaitable<Woken> wait(const std::string& institution_id,
                                                   std::int64_t pos, std::uint64_t since,
                                                   std::chrono::steady_clock::time_point until,
                                                   const OnPeerGone& on_peer_gone);

  // Something new is in these feeds.
  void tell(const std::vector<std::string>& institution_ids);
  // Something may be new in any feed.
  void tell_all();
  // A feed ends there. Wakes those who have not read so far, and nobody else.
  void tell_end(const std::string& institution_id, std::int64_t last_pos);
  // Ends all waits, and lets nobody wait any more.
  void drain();

  [[nodiscard]] std::size_t waiters() const;
  [[nodiscard]] std::vector<std::string> institutions() const;  // with waiters

 private:
  struct Waiter;
  struct Feed {
    std::uint64_t told_at = 0;
    std::vector<std::shared_ptr<Waiter>> waiters;
  };
  class Place;

  [[nodiscard]] std::shared_ptr<Waiter> enter(const std::string& institution_id,
                                              std::shared_ptr<Waiter> waiter, std::uint64_t since);
  void leave(const std::string& institution_id, const Waiter* waiter);
  static void wake(const std::vector<std::shared_ptr<Waiter>>& waiters, Woken why);

  mutable std::mutex mutex_;
  // Protected by mutex_:
  std::unordered_map<std::string, Feed> feeds_;
  std::uint64_t moment_ = 0;
  std::uint64_t all_told_at_ = 0;
  std::size_t count_ = 0;
  bool is_draining_ = false;
};

}  // namespace server
