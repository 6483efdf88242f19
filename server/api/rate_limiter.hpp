// rate_limiter.hpp: how many requests one party may make: a bucket of tokens for each, filled at a
// steady rate. Of this process alone. It must not know HTTP.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>

namespace server {

class RateLimiter {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::uint32_t kBurstSeconds = 10;  // a bucket holds what fills it in so long

  explicit RateLimiter(std::uint32_t requests_per_second);

  struct Verdict {
    bool is_allowed = true;
    std::uint32_t remaining = 0;      // requests that could follow at once
    std::uint32_t reset_seconds = 0;  // until the bucket is full again
  };
  // Takes one token of that party's bucket. Any thread. Cost: one lookup under a lock.
  [[nodiscard]] Verdict take(const std::string& party, Clock::time_point now);
  // Would take() be allowed? Takes nothing.
  [[nodiscard]] bool has_left(const std::string& party, Clock::time_point now);

  [[nodiscard]] std::uint32_t burst() const { return burst_; }

 private:
  struct Bucket {
    double tokens = 0;
    Clock::time_point at;
  };
  // What is in the bucket by now.
  [[nodiscard]] double level(const Bucket& bucket, Clock::time_point now) const;
  void drop_full_buckets(Clock::time_point now);

  const double rate_;  // tokens a second
  const std::uint32_t burst_;
  std::mutex mutex_;
  // Protected by mutex_:
  std::map<std::string, Bucket, std::less<>> buckets_;
};

}  // namespace server
