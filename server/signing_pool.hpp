// signing_pool.hpp: threads for answers whose signature takes long (RSA, the larger curves). The
// queue is bounded in length and in time: what does not fit is refused at once, and becomes
// tryLater.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "server/ocsp_service.hpp"

namespace server {

class SigningPool {
 public:
  struct Job {
    std::vector<std::uint8_t> request;
    std::uint32_t scope = kEveryIssuer;
    std::shared_ptr<const Snapshot> snapshot;
    // Called on a thread of the pool with the answer, whose bytes are good during the call.
    std::function<void(const OcspService::Answer&)> done;
  };

  SigningPool(const IssuerSet& issuers, const OcspConfig& config, std::chrono::seconds clock_skew,
              unsigned threads);
  // Forgets what is queued; whoever waits for it has gone.
  ~SigningPool();

  // False if the queue is full. Any thread.
  [[nodiscard]] bool submit(Job job);

 private:
  using Clock = std::chrono::steady_clock;
  struct Queued {
    Job job;
    Clock::time_point deadline;
  };
  void work(OcspService& service);

  const std::size_t queue_max_;
  const std::chrono::milliseconds patience_;  // a client does not wait longer for its answer
  std::mutex mutex_;
  std::condition_variable wake_;
  // Protected by mutex_:
  std::deque<Queued> queue_;
  bool ending_ = false;

  std::vector<std::unique_ptr<OcspService>> services_;  // one a thread
  std::vector<std::jthread> threads_;
};

}  // namespace server
