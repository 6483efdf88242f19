#include "server/store/stall_guard.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <set>
#include <stop_token>
#include <thread>

#include "server/log.hpp"

namespace server {

// All guards of the process, and the thread that looks at them.
class StallWatcher {
 public:
  static StallWatcher& instance() {
    static StallWatcher watcher;
    return watcher;
  }

  void add(StallGuard& guard) {
    const std::lock_guard lock(mutex_);
    guards_.insert(&guard);
    if (!thread_.joinable()) {
      thread_ = std::jthread([this](const std::stop_token& stop) { watch(stop); });
    }
  }

  void remove(StallGuard& guard) {
    const std::lock_guard lock(mutex_);
    guards_.erase(&guard);
  }

 private:
  void watch(const std::stop_token& stop) {
    constexpr std::chrono::milliseconds kPause{500};
    std::unique_lock lock(mutex_);
    while (!stop.stop_requested()) {
      const auto now = std::chrono::steady_clock::now();
      for (StallGuard* guard : guards_) guard->cut_if_stalled(now);
      wake_.wait_for(lock, stop, kPause, [] { return false; });
    }
  }

  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::set<StallGuard*> guards_;
  std::jthread thread_;  // ends first
};

StallGuard::StallGuard(std::chrono::milliseconds patience) : patience_(patience) {
  StallWatcher::instance().add(*this);
}

StallGuard::~StallGuard() {
  StallWatcher::instance().remove(*this);
  closed();
}

void StallGuard::connected(int socket) {
  closed();
  const std::lock_guard lock(mutex_);
  socket_ = ::fcntl(socket, F_DUPFD_CLOEXEC, 0);  // -1 where there is none left: not guarded
}

void StallGuard::closed() {
  const std::lock_guard lock(mutex_);
  if (socket_ >= 0) ::close(socket_);
  socket_ = -1;
}

void StallGuard::cut_if_stalled(Clock::time_point now) {
  const Clock::rep since = since_;
  if (since == kIdle || now - Clock::time_point(Clock::duration(since)) < patience_) return;
  const std::lock_guard lock(mutex_);
  if (socket_ < 0 || since_ != since) return;
  log(Level::error, "database_stalled",
      {{"error", "no answer for longer than any statement may take; the connection is cut"}});
  ::shutdown(socket_, SHUT_RDWR);
  ::close(socket_);
  socket_ = -1;
}

}  // namespace server
