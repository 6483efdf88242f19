// Which kept responses outlive a publish, on the workers and between them.
#include "server/response_cache.hpp"

#include <catch2/catch.hpp>

#include "tests/server_unit/served.hpp"

using namespace test;
using pki::Reason;

namespace {

const pki::Time kNow = at(2026, 2, 3);

std::shared_ptr<const server::OpenGeneration> any_lists(pki::Reason reason = Reason::superseded) {
  return generation_of({complete_list({})}, {listed(5, reason)});
}

}  // namespace

TEST_CASE("response_cache: workers give each other's answer", "[response_cache]") {
  Served served(served_config());
  served.adopt(0, any_lists());
  const Octets request = request_of({{"ca_p256.pem", 5}});
  const auto first = served.ask(request, kNow, 0);
  CHECK_FALSE(first.was_cached);
  const auto second = served.ask(request, kNow, 1);
  CHECK(second.was_cached);
  CHECK(second.cached->etag == first.cached->etag);
  CHECK(pki::equal(first.body, second.body));
}

TEST_CASE("response_cache: a publish ends the kept answers of its issuer, and of no other",
          "[response_cache]") {
  Served served(served_config());
  served.adopt(0, any_lists());
  served.adopt(1, any_lists());
  const Octets one = request_of({{"ca_p256.pem", 5}});
  const Octets other = request_of({{"ca_p384.pem", 5}});
  const Octets both = request_of({{"ca_p384.pem", 5}, {"ca_p256.pem", 5}});
  const Octets other_twice = request_of({{"ca_p384.pem", 5}, {"ca_p384.pem", 6}});
  for (const Octets* request : {&one, &other, &both, &other_twice}) {
    CHECK_FALSE(served.ask(*request, kNow, 0).was_cached);
    CHECK(served.ask(*request, kNow, 0).was_cached);
    CHECK(served.ask(*request, kNow, 1).was_cached);
  }
  served.adopt(0, any_lists(Reason::key_compromise));
  for (const std::size_t worker : {0U, 1U}) {
    CAPTURE(worker);
    CHECK(served.ask(other, kNow, worker).was_cached);
    CHECK(served.ask(other_twice, kNow, worker).was_cached);
    // The first worker signs anew, for the second one, too.
    for (const Octets* request : {&one, &both}) {
      const auto answer = served.ask(*request, kNow, worker);
      CHECK(answer.was_cached == (worker == 1));
      const auto response = pki::parse_response(answer.body);
      REQUIRE(refusal(response) == "accepted");
      CHECK(response->singles.back().revocation.reason == Reason::key_compromise);
    }
  }
}

TEST_CASE("response_cache: another list of issued serials is a publish as well",
          "[response_cache]") {
  server::Config config = served_config();
  config.issuers[0].issued = "/issued.txt";
  Served served(config);
  served.adopt(0, any_lists());
  served.adopt_issued(0, open_memory(issued_file({6}).file));
  const Octets request = request_of({{"ca_p256.pem", 7}});
  CHECK(served.ask(request, kNow).outcome == server::Outcome::unknown);
  CHECK(served.ask(request, kNow).was_cached);
  served.adopt_issued(0, open_memory(issued_file({6, 7}).file));
  CHECK(served.ask(request, kNow).outcome == server::Outcome::good);
}

// A worker that has not heard of the publish yet must neither be given what is newer than its own
// snapshot, nor have its old answer taken for the new one.
TEST_CASE("response_cache: an answer of another version is neither found nor handed out",
          "[response_cache]") {
  server::ResponseCache cache(1 << 20);
  const Octets list = {1, 2, 3};
  const server::CacheKey key(server::kEveryIssuer, list);
  const auto response = [&](std::uint64_t version, pki::Time next_update) {
    auto out = std::make_shared<server::CachedResponse>();
    out->key = key.to_bytes();
    out->sources = {{0, version}};
    out->next_update = next_update;
    return out;
  };
  server::Snapshot snapshot;
  snapshot.issuers.resize(1);
  snapshot.issuers[0].version = 2;
  const auto old = response(1, kNow);
  const auto current = response(2, kNow);
  CHECK_FALSE(snapshot.still_says(*old));
  CHECK(snapshot.still_says(*current));

  CHECK(cache.insert(key, old) == old);
  CHECK(cache.insert(key, current) == current);  // in its place
  CHECK(cache.find(key) == current);
  CHECK(cache.insert(key, response(2, kNow)) == current);  // the first stays
  const auto longer = response(2, kNow + std::chrono::hours{1});
  CHECK(cache.insert(key, longer) == longer);  // but for one that lasts longer
  CHECK(cache.insert(key, current) == longer);
}

TEST_CASE("response_cache: replacing answers over and over needs no more room",
          "[response_cache]") {
  constexpr std::uint64_t kShards = 64;
  server::ResponseCache cache(kShards * 4096);
  const auto insert = [&](std::uint8_t question, std::uint64_t version) {
    const Octets list = {question};
    const server::CacheKey key(server::kEveryIssuer, list);
    auto out = std::make_shared<server::CachedResponse>();
    out->key = key.to_bytes();
    out->body.resize(1000);
    out->sources = {{0, version}};
    cache.insert(key, out);
    return cache.find(key) == out;
  };
  for (std::uint64_t version = 1; version < 1000; ++version) {
    REQUIRE(insert(1, version));
    REQUIRE(insert(2, version));
  }
}
