// connection_pool.hpp: the connections of one client, so many at most; who finds none free waits in
// turn. One thread.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/intrusive/list.hpp>
#include <chrono>
#include <deque>
#include <memory>

#include "server/upstream/authority_connection.hpp"

namespace server {

// Lives until the last lease has ended: coroutines that are never resumed may hold one longer than
// the client lives.
class ConnectionPool : public std::enable_shared_from_this<ConnectionPool> {
 public:
  using Clock = std::chrono::steady_clock;

  ConnectionPool(boost::asio::any_io_executor executor, std::shared_ptr<AuthorityLink> link)
      : executor_(std::move(executor)), link_(std::move(link)) {}
  ConnectionPool(const ConnectionPool&) = delete;
  ConnectionPool& operator=(const ConnectionPool&) = delete;
  ~ConnectionPool();

  // A connection for one exchange. Unless keep() was called, it ends with the lease.
  class Lease {
   public:
    Lease(std::shared_ptr<ConnectionPool> pool, std::unique_ptr<AuthorityConnection> connection);
    Lease(Lease&& other) noexcept = default;
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ~Lease();

    [[nodiscard]] AuthorityConnection& connection() { return *connection_; }
    // An idle one that turned out to be dead is replaced by one that must still be opened.
    void renew();
    void keep() { keep_ = true; }

   private:
    std::shared_ptr<ConnectionPool> pool_;  // null: moved from
    std::unique_ptr<AuthorityConnection> connection_;
    bool keep_ = false;
  };

  // An idle connection, or a new one that must be opened. First come, first served. Throws
  // AttemptFailed: timeout, overloaded, shutting_down.
  [[nodiscard]] boost::asio::awaitable<Lease> acquire(Clock::time_point deadline);

  // Lets time pass, or less of it if the pool is closed meanwhile.
  [[nodiscard]] boost::asio::awaitable<void> pause(std::chrono::milliseconds duration);

  // Ends everything: who waits gets shutting_down, who reads operation_aborted.
  void close();
  [[nodiscard]] bool is_closed() const { return closed_; }

 private:
  using Hook =
      boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;
  struct Waiter : Hook {
    explicit Waiter(ConnectionPool& owner) : pool(owner), timer(owner.executor_) {}
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;
    ~Waiter();  // hands on what it was given and did not take
    ConnectionPool& pool;
    boost::asio::steady_timer timer;
    bool queued = false;
    bool granted = false;
    std::unique_ptr<AuthorityConnection> connection;  // null: a new one is allowed
  };
  template <class Element>
  using List = boost::intrusive::list<Element, boost::intrusive::constant_time_size<false>>;

  struct Idle {
    std::unique_ptr<AuthorityConnection> connection;
    Clock::time_point since;
  };

  [[nodiscard]] std::unique_ptr<AuthorityConnection> make() const;
  [[nodiscard]] std::unique_ptr<AuthorityConnection> take_idle();
  void give_back(std::unique_ptr<AuthorityConnection> connection);
  void retire_oldest();
  void enter_queue(Waiter& waiter);
  void leave_queue(Waiter& waiter);
  void count();

  boost::asio::any_io_executor executor_;
  std::shared_ptr<AuthorityLink> link_;
  bool closed_ = false;
  std::size_t in_use_ = 0;   // leases; with the idle ones never more than the limit
  std::deque<Idle> idle_;    // the newest last
  std::size_t waiting_ = 0;  // in queue_
  List<Waiter> queue_;       // for a connection, the first first
  List<Waiter> pausing_;     // between two attempts
  List<AuthorityConnection> leased_;
  // What of this pool is in the shared gauges.
  std::int64_t counted_in_use_ = 0;
  std::int64_t counted_idle_ = 0;
  std::int64_t counted_waiting_ = 0;
};

}  // namespace server
