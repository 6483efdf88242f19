#include "server/store/database.hpp"

#include <fmt/format.h>

#include "server/log.hpp"

namespace server {

namespace asio = boost::asio;

Database::Database(const DatabaseConfig& config) : config_(config) {
  for (std::uint32_t i = 0; i < config_.connections; ++i) {
    threads_.emplace_back([this] { work(); });
  }
}

Database::~Database() {
  std::deque<Job> waiting;
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    waiting.swap(queue_);
    while (Sleeper* const one = call_one()) one->wake.notify_one();
  }
  for (const Job& job : waiting) {
    job.done(std::make_exception_ptr(DatabaseUnavailable("the server is ending")));
  }
  for (std::thread& thread : threads_) thread.join();
}

Database::Load Database::load() const {
  const std::lock_guard lock(mutex_);
  Load load = load_;
  load.waiting = queue_.size();
  return load;
}

// To be notified then, without the lock if it must. Null if all are at work: they look at the queue
// before they sleep.
Database::Sleeper* Database::call_one() {
  if (sleepers_.empty()) return nullptr;
  Sleeper* const out = sleepers_.back();
  sleepers_.pop_back();
  out->is_called = true;
  return out;
}

void Database::submit(Job job) {
  Sleeper* called = nullptr;
  {
    const std::lock_guard lock(mutex_);
    if (!ending_ && queue_.size() < config_.queue_max) {
      queue_.push_back(std::move(job));
      job.done = nullptr;
      called = call_one();
    } else {
      ++load_.refused;
    }
  }
  if (job.done) {
    job.done(std::make_exception_ptr(
        DatabaseUnavailable(fmt::format("{} requests wait for the database", config_.queue_max))));
  } else if (called != nullptr) {
    called->wake.notify_one();
  }
}

// The completion comes back to the executor of the coroutine, which stays alive until then.
asio::awaitable<void> Database::submit_and_wait(Task task) {
  co_await asio::async_initiate<const asio::use_awaitable_t<>, void(std::exception_ptr)>(
      [this](auto handler, Task wanted) {
        auto executor = asio::prefer(asio::get_associated_executor(handler),
                                     asio::execution::outstanding_work.tracked);
        auto shared = std::make_shared<decltype(handler)>(std::move(handler));
        submit({std::move(wanted),
                [executor, shared](std::exception_ptr error) {
                  asio::post(executor, [shared, error] { (*shared)(error); });
                },
                Clock::now() + config_.statement_timeout});
      },
      asio::use_awaitable, std::move(task));
}

void Database::work() {
  std::optional<Connection> connection;
  Sleeper own;
  for (;;) {
    std::unique_lock lock(mutex_);
    while (queue_.empty()) {
      if (ending_) return;
      own.is_called = false;
      sleepers_.push_back(&own);
      own.wake.wait(lock, [&own] { return own.is_called; });
    }
    const Job job = std::move(queue_.front());
    queue_.pop_front();
    const bool is_late = Clock::now() > job.deadline;
    if (is_late) ++load_.refused;
    load_.running += is_late ? 0 : 1;
    lock.unlock();
    if (is_late) {
      job.done(
          std::make_exception_ptr(DatabaseUnavailable("the wait for the database was too long")));
      continue;
    }
    run_job(job, connection);
    lock.lock();
    --load_.running;
  }
}

void Database::run_job(const Job& job, std::optional<Connection>& connection) {
  constexpr int kAttempts = 3;
  std::exception_ptr failure;
  bool is_reachable = true;
  for (int attempt = 1;; ++attempt) {
    try {
      if (!connection) connection.emplace(config_, Connection::Role::api);
      job.task(*connection);
      break;
    } catch (const Conflict&) {
      if (attempt < kAttempts) continue;
      failure = std::current_exception();
    } catch (const DatabaseUnavailable& error) {
      if (!connection) is_reachable = false;
      connection.reset();  // whatever it was, a new one begins anew
      log(Level::warning, "database_unavailable", {{"error", error.what()}});
      failure = std::current_exception();
    } catch (...) {  // the coroutine's to handle
      failure = std::current_exception();
    }
    break;
  }
  {
    const std::lock_guard lock(mutex_);
    load_.is_reachable = is_reachable;
  }
  job.done(failure);
}

}  // namespace server
