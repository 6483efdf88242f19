// job_thread.hpp: a job that looks every second whether there is something to do, in a thread and
// over a connection of its own. Knows nothing of what it does.
#pragma once

#include <atomic>
#include <functional>
#include <stop_token>
#include <string>
#include <thread>

#include "server/platform/job_figures.hpp"
#include "server/platform_config.hpp"
#include "server/store/connection.hpp"
#include "server/store/key_ring.hpp"

namespace server {

class JobThread {
 public:
  // One that throws is counted and logged; the next one has a new connection.
  using Look = std::function<void(Connection&, KeyRing&, const std::stop_token&)>;

  // `name` is that of the figures. Nothing is done, and no connection made, before start().
  JobThread(std::string name, DatabaseConfig database, std::function<pki::Time()> clock, Look look);
  void start();
  void request_stop();
  // Returns once the thread has ended.
  void stop();

  // Did the last look go well? Any thread.
  [[nodiscard]] bool is_up() const { return is_up_; }
  // tashika_job_*. Any thread.
  void describe(MetricsText& text) const { figures_.describe(text); }

 private:
  void run(const std::stop_token& stop);

  const DatabaseConfig database_;
  const std::function<pki::Time()> clock_;
  const Look look_;
  JobFigures figures_;
  std::atomic<bool> is_up_{false};
  std::jthread thread_;  // the last: it uses the others
};

}  // namespace server
