// database.hpp: the pool of connections, and the one bridge from the event loops to what blocks.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <type_traits>
#include <variant>
#include <vector>

#include "server/store/connection.hpp"

namespace server {

// Threads, each with a connection that it makes when it is first needed and makes again when it
// broke. The queue before them is bounded in length and in time.
class Database {
 public:
  // Does not connect: the server starts without its database, and answers 503 until it is there.
  explicit Database(const DatabaseConfig& config);
  // Finishes what runs; what waits ends with DatabaseUnavailable.
  ~Database();

  // Runs `work(Connection&)` on a thread of the pool, and resumes the coroutine with its result on
  // the executor it came from. Work that a Conflict ended is run again, up to three times in all,
  // so it must have no effect outside of its transaction.
  // Throws what `work` throws; DatabaseUnavailable if the queue is full, if it waited longer than
  // the statement time-out, or without a connection.
  template <class Work>
  [[nodiscard]] boost::asio::awaitable<std::invoke_result_t<Work&, Connection&>> run(Work work) {
    using Result = std::invoke_result_t<Work&, Connection&>;
    using Value = std::conditional_t<std::is_void_v<Result>, std::monostate, Result>;
    using Finished = std::variant<std::exception_ptr, Value>;
    auto outcome = std::make_shared<Finished>();
    // It has a name because g++ 12 destroys twice what a lambda captured that is made inside of a
    // co_await expression. That goes for callers, too.
    Task task = [outcome, work = std::move(work)](Connection& connection) mutable {
      if constexpr (std::is_void_v<Result>) {
        work(connection);
        outcome->template emplace<1>();
      } else {
        outcome->template emplace<1>(work(connection));
      }
    };
    co_await submit_and_wait(std::move(task));
    if constexpr (!std::is_void_v<Result>) co_return std::move(std::get<1>(*outcome));
  }

  struct Load {
    std::size_t waiting = 0;    // in the queue, now
    std::size_t running = 0;    // on a connection, now
    std::uint64_t refused = 0;  // because the queue was full or the wait too long, ever
    bool is_reachable = false;  // did the last attempt at a connection succeed?
  };
  [[nodiscard]] Load load() const;
  [[nodiscard]] const DatabaseConfig& config() const { return config_; }

 private:
  using Clock = std::chrono::steady_clock;
  using Task = std::function<void(Connection&)>;
  using Done = std::function<void(std::exception_ptr)>;
  struct Job {
    Task task;
    Done done;  // called once, on any thread
    Clock::time_point deadline;
  };

  // A thread that has nothing to do.
  struct Sleeper {
    std::condition_variable wake;
    bool is_called = false;
  };

  void submit(Job job);
  [[nodiscard]] Sleeper* call_one();
  void work();
  void run_job(const Job& job, std::optional<Connection>& connection);
  [[nodiscard]] boost::asio::awaitable<void> submit_and_wait(Task task);

  const DatabaseConfig config_;
  mutable std::mutex mutex_;
  // Protected by mutex_:
  std::deque<Job> queue_;
  std::vector<Sleeper*> sleepers_;  // who fell asleep last is called first: caches are still warm
  Load load_;
  bool ending_ = false;

  std::vector<std::thread> threads_;
};

}  // namespace server
