#include "server/api/rate_limiter.hpp"

#include <catch2/catch.hpp>

using server::RateLimiter;
using namespace std::chrono_literals;

TEST_CASE("a burst of ten seconds' requests, then the steady rate") {
  RateLimiter limiter(5);
  const RateLimiter::Clock::time_point start{1000s};
  CHECK(limiter.burst() == 50);
  for (std::uint32_t i = 0; i < 50; ++i) {
    const auto verdict = limiter.take("a", start);
    REQUIRE(verdict.is_allowed);
    CHECK(verdict.remaining == 49 - i);
  }
  const auto refused = limiter.take("a", start);
  CHECK_FALSE(refused.is_allowed);
  CHECK(refused.reset_seconds == 10);
  CHECK_FALSE(limiter.take("a", start + 199ms).is_allowed);
  CHECK(limiter.take("a", start + 201ms).is_allowed);
  CHECK_FALSE(limiter.take("a", start + 201ms).is_allowed);
}

TEST_CASE("parties do not share a bucket, and a bucket never holds more than a burst") {
  RateLimiter limiter(1);
  const RateLimiter::Clock::time_point start{1000s};
  for (int i = 0; i < 10; ++i) REQUIRE(limiter.take("a", start).is_allowed);
  CHECK_FALSE(limiter.take("a", start).is_allowed);
  CHECK(limiter.take("b", start).is_allowed);
  CHECK(limiter.take("a", start + 1h).remaining == 9);
}

TEST_CASE("a clock that is a little behind takes nothing away") {
  RateLimiter limiter(1);
  const RateLimiter::Clock::time_point start{1000s};
  REQUIRE(limiter.take("a", start).remaining == 9);
  CHECK(limiter.take("a", start - 5s).remaining == 8);
}

TEST_CASE("looking takes nothing, and sees what is filled in again") {
  RateLimiter limiter(1);
  const RateLimiter::Clock::time_point start{1000s};
  for (int i = 0; i < 10; ++i) {
    REQUIRE(limiter.has_left("a", start));
    REQUIRE(limiter.has_left("a", start));
    REQUIRE(limiter.take("a", start).is_allowed);
  }
  CHECK_FALSE(limiter.has_left("a", start));
  CHECK(limiter.has_left("b", start));
  CHECK_FALSE(limiter.has_left("a", start + 999ms));
  CHECK(limiter.has_left("a", start + 1s));
}
