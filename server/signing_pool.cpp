#include "server/signing_pool.hpp"

#include "server/wall_clock.hpp"

namespace server {

SigningPool::SigningPool(const IssuerSet& issuers, const OcspConfig& config,
                         std::chrono::seconds clock_skew, unsigned threads)
    : queue_max_(config.signing_queue_max), patience_(config.request_timeout / 2) {
  for (unsigned i = 0; i < threads; ++i) {
    services_.push_back(std::make_unique<OcspService>(issuers, config, clock_skew));
    threads_.emplace_back([this, service = services_.back().get()] { work(*service); });
  }
}

SigningPool::~SigningPool() {
  const std::lock_guard lock(mutex_);
  ending_ = true;
  queue_.clear();
  wake_.notify_all();
}

bool SigningPool::submit(Job job) {
  {
    const std::lock_guard lock(mutex_);
    if (ending_ || queue_.size() >= queue_max_) return false;
    queue_.push_back({std::move(job), Clock::now() + patience_});
  }
  wake_.notify_one();
  return true;
}

void SigningPool::work(OcspService& service) {
  for (;;) {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [this] { return ending_ || !queue_.empty(); });
    if (queue_.empty()) return;
    const Queued next = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();

    if (Clock::now() > next.deadline) {
      next.job.done(
          {Outcome::try_later, pki::error_response(pki::ResponseStatus::try_later), {}, false});
      continue;
    }
    service.adopt(next.job.snapshot);
    const auto answer =
        service.answer(next.job.request, next.job.scope, wall_clock(), OcspService::Signing::any);
    next.job.done(*answer);
    service.forget();
  }
}

}  // namespace server
