// circuit_breaker_test.cpp: when the authority is left alone, and how often it is asked again.
#include <catch2/catch.hpp>

#include "server/upstream/circuit_breaker.hpp"

using server::CircuitBreaker;
using server::RetryBudget;
using State = CircuitBreaker::State;
using Pass = CircuitBreaker::Pass;
using std::chrono::milliseconds;

namespace {

const CircuitBreaker::Clock::time_point kStart{std::chrono::hours(5)};

void fail(CircuitBreaker& breaker, int times, CircuitBreaker::Clock::time_point at = kStart) {
  for (int i = 0; i < times; ++i) breaker.failed(breaker.admit(at).value(), at);
}

}  // namespace

TEST_CASE("breaker: so many failures in a row open it, fewer do not", "[breaker]") {
  CircuitBreaker breaker(3, milliseconds(1000));
  fail(breaker, 2);
  breaker.succeeded();
  fail(breaker, 2);
  CHECK(breaker.state(kStart) == State::closed);
  CHECK(breaker.retry_after(kStart).count() == 0);
  fail(breaker, 1);
  CHECK(breaker.state(kStart) == State::open);
  CHECK_FALSE(breaker.admit(kStart));
  CHECK(breaker.retry_after(kStart + milliseconds(300)) == milliseconds(700));
}

TEST_CASE("breaker: after the pause one may try, and decides for all", "[breaker]") {
  CircuitBreaker breaker(1, milliseconds(1000));
  fail(breaker, 1);
  const auto later = kStart + milliseconds(1000);
  CHECK_FALSE(breaker.admit(later - milliseconds(1)));
  CHECK(breaker.state(later) == State::half_open);
  REQUIRE(breaker.admit(later) == Pass::probe);
  CHECK_FALSE(breaker.admit(later));

  SECTION("it fails: another pause") {
    breaker.failed(Pass::probe, later + milliseconds(10));
    CHECK_FALSE(breaker.admit(later + milliseconds(1009)));
    CHECK(breaker.admit(later + milliseconds(1010)) == Pass::probe);
  }
  SECTION("it succeeds: closed") {
    breaker.succeeded();
    CHECK(breaker.state(later) == State::closed);
    CHECK(breaker.admit(later) == Pass::normal);
  }
  SECTION("nothing is heard of it: another one, after another pause") {
    CHECK(breaker.admit(later + milliseconds(1000)) == Pass::probe);
  }
}

TEST_CASE("breaker: what was under way when it opened does not prolong the pause", "[breaker]") {
  CircuitBreaker breaker(1, milliseconds(1000));
  const Pass slow = breaker.admit(kStart).value();
  fail(breaker, 1);
  breaker.failed(slow, kStart + milliseconds(900));
  CHECK(breaker.admit(kStart + milliseconds(1000)) == Pass::probe);
}

TEST_CASE("retries: ten in reserve, then one in ten questions", "[breaker]") {
  RetryBudget budget;
  int spent = 0;
  while (budget.spend()) ++spent;
  CHECK(spent == 10);
  for (int i = 0; i < 9; ++i) budget.earn();
  CHECK_FALSE(budget.spend());
  budget.earn();
  CHECK(budget.spend());
  CHECK_FALSE(budget.spend());
  for (int i = 0; i < 1'000; ++i) budget.earn();
  for (spent = 0; budget.spend();) ++spent;
  CHECK(spent == 10);  // it does not pile up
}
