#include "server/api/rate_limiter.hpp"

#include <algorithm>
#include <cmath>

namespace server {

namespace {
constexpr std::size_t kBucketsMax = 10'000;
}  // namespace

RateLimiter::RateLimiter(std::uint32_t requests_per_second)
    : rate_(requests_per_second), burst_(requests_per_second * kBurstSeconds) {}

RateLimiter::Verdict RateLimiter::take(const std::string& party, Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  if (buckets_.size() >= kBucketsMax) drop_full_buckets(now);
  const auto [found, is_new] = buckets_.try_emplace(party, Bucket{double(burst_), now});
  Bucket& bucket = found->second;
  bucket.tokens = level(bucket, now);
  bucket.at = std::max(bucket.at, now);
  Verdict out;
  out.is_allowed = bucket.tokens >= 1;
  if (out.is_allowed) bucket.tokens -= 1;
  out.remaining = static_cast<std::uint32_t>(bucket.tokens);
  out.reset_seconds = static_cast<std::uint32_t>(std::ceil((burst_ - bucket.tokens) / rate_));
  return out;
}

bool RateLimiter::has_left(const std::string& party, Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  const auto found = buckets_.find(party);
  return found == buckets_.end() || level(found->second, now) >= 1;
}

double RateLimiter::level(const Bucket& bucket, Clock::time_point now) const {
  // Workers' clocks differ by a little.
  const double passed = std::max(0.0, std::chrono::duration<double>(now - bucket.at).count());
  return std::min(double(burst_), bucket.tokens + passed * rate_);
}

// A party that was silent for the burst's time has a full bucket, which is as good as none.
void RateLimiter::drop_full_buckets(Clock::time_point now) {
  std::erase_if(buckets_, [&](const auto& one) {
    return now - one.second.at > std::chrono::seconds(kBurstSeconds);
  });
}

}  // namespace server
