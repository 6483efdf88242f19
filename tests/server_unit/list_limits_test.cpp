// list_limits_test.cpp: sizes, times and attempts: what ListFetcher puts up with, and for how long.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <vector>

#include "server/files.hpp"
#include "tests/server_unit/fixture_server.hpp"

using namespace test;
using server::FetchConfig;
using server::ListFetcher;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

struct Outcome {
  std::string failure;  // empty: none
  std::size_t requests = 0;
  double seconds = 0;
};

struct Fetching {
  FixtureServer& http = FixtureServer::get();
  Directory cache;

  Outcome fetch(const std::vector<Json>& answers, const FetchConfig& config = impatient()) {
    http.answer("/list", answers);
    ListFetcher fetcher(config, cache.path());
    const auto started = std::chrono::steady_clock::now();
    Outcome out{failure(fetcher, http.url("/list")), 0, 0};
    out.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    out.requests = http.requests("/list").size();
    return out;
  }
};

Json status(int code) {
  return {{"status", code}, {"body", "sorry"}};
}

const Json kList{{"body", "list"}};

// A port of this machine: closed again, or open and never accepting.
class Port {
 public:
  enum class Kind : std::uint8_t { closed, deaf };
  explicit Port(Kind kind) : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address_;
    REQUIRE(::bind(listener_.get(), generic(), size) == 0);
    REQUIRE(::getsockname(listener_.get(), generic(), &size) == 0);
    if (kind == Kind::closed) return;  // bound, so that nobody else gets it
    REQUIRE(::listen(listener_.get(), 0) == 0);
    // With the queue full, the system drops what else would connect.
    for (int i = 0; i < 3; ++i) {
      waiting_.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
      ::connect(waiting_.back().get(), generic(), sizeof address_);
    }
  }
  [[nodiscard]] std::string url(std::string_view path) const {
    return std::string("http://127.0.0.1:")
        .append(std::to_string(::ntohs(address_.sin_port)))
        .append(path);
  }

 private:
  sockaddr* generic() { return reinterpret_cast<sockaddr*>(&address_); }
  sockaddr_in address_{};
  server::FileDescriptor listener_;
  std::vector<server::FileDescriptor> waiting_;
};

}  // namespace

TEST_CASE("fetch: what may pass is tried again, what will not is not", "[fetch]") {
  Fetching f;
  for (const int code : {408, 429, 500, 502, 503, 504}) {
    INFO(code);
    const Outcome outcome = f.fetch({status(code), status(code), kList});
    CHECK(outcome.failure.empty());
    CHECK(outcome.requests == 3);
  }
  for (const int code : {400, 401, 403, 404, 410, 416}) {
    INFO(code);
    const Outcome outcome = f.fetch({status(code), kList});
    CHECK_THAT(outcome.failure, Catch::StartsWith("fetch_status: ") &&
                                    Catch::Contains("HTTP status " + std::to_string(code)) &&
                                    Catch::Contains(f.http.url("/list")));
    CHECK(outcome.requests == 1);
  }
}

TEST_CASE("fetch: attempts are counted", "[fetch]") {
  Fetching f;
  const Outcome outcome = f.fetch({status(503)});
  CHECK(outcome.requests == 4);
  CHECK_THAT(outcome.failure, Catch::Contains("HTTP status 503 (after 4 attempts)"));
}

TEST_CASE("fetch: a body that is cut, or a connection that breaks, is tried again", "[fetch]") {
  Fetching f;
  const std::string body = f.http.file(noise(200'000));
  const Json whole{{"file", body}};
  CHECK(f.fetch({{{"file", body}, {"cut", 100'000}}, whole}).failure.empty());
  CHECK(f.fetch({{{"file", body}, {"cut", 100'000}, {"chunked", true}}, whole}).failure.empty());
  CHECK(f.fetch({{{"raw", ""}}, whole}).failure.empty());
  CHECK(content(f.cache.files(".list").at(0)) == noise(200'000));
  const Outcome never = f.fetch({{{"file", body}, {"cut", 100'000}}});
  CHECK_THAT(never.failure,
             Catch::StartsWith("fetch_connect: ") && Catch::Contains("after 4 attempts"));
}

TEST_CASE("fetch: the pauses between attempts grow", "[fetch]") {
  Fetching f;
  FetchConfig config = impatient();
  config.attempts = 11;
  // Full jitter: the sum of ten pauses is 0 to 1,023 ms. Below 30 ms is one chance in a billion.
  CHECK(f.fetch({status(503)}, config).seconds > 0.03);
}

TEST_CASE("fetch: Retry-After is kept to", "[fetch]") {
  Fetching f;
  Json later = status(429);
  later["headers"] = {{"Retry-After", "1"}};
  const Outcome waited = f.fetch({later, kList});
  CHECK(waited.failure.empty());
  CHECK(waited.seconds >= 1);

  for (const char* const when : {"3600", "9999999999", "Fri, 01 Jan 2094 00:00:00 GMT"}) {
    later["headers"] = {{"Retry-After", when}};
    const Outcome outcome = f.fetch({later, kList});
    CHECK_THAT(outcome.failure,
               Catch::Contains("HTTP status 429") && Catch::Contains("time limit"));
    CHECK(outcome.requests == 1);
    CHECK(outcome.seconds < 30);
  }
}

TEST_CASE("fetch: a list has a largest size", "[fetch]") {
  Fetching f;
  FetchConfig config = impatient();
  config.bytes_max = 100'000;
  const Json fits{{"file", f.http.file(noise(100'000))}, {"etag", "\"1\""}};
  const Json over{{"file", f.http.file(noise(100'001))}, {"etag", "\"2\""}};
  CHECK(f.fetch({fits}, config).failure.empty());
  const auto check_refused = [](const Outcome& outcome) {
    CHECK_THAT(outcome.failure, Catch::StartsWith("fetch_too_large: ") &&
                                    Catch::Contains("100000 bytes") &&
                                    Catch::Contains("`bytes_max`"));
    CHECK(outcome.requests == 1);
  };

  SECTION("by what the server announces: the body is not waited for") {
    Json announced = over;
    announced["hold"] = 10;
    check_refused(f.fetch({announced}, config));
  }
  SECTION("by what comes") {
    Json chunked = over;
    chunked["chunked"] = true;
    check_refused(f.fetch({chunked}, config));
  }
  CHECK(f.cache.files(".part").empty());
  CHECK(content(f.cache.files(".list").at(0)) == noise(100'000));
}

TEST_CASE("fetch: a refusal's own body is not read for ever", "[fetch]") {
  Fetching f;
  const Outcome outcome =
      f.fetch({{{"status", 404}, {"file", f.http.file(noise(1 << 20))}, {"hold", 512 << 10}}});
  CHECK_THAT(outcome.failure, Catch::Contains("HTTP status 404"));
}

TEST_CASE("fetch: a slow drip ends", "[fetch]") {
  Fetching f;
  FetchConfig config = impatient();
  config.stall_timeout = seconds(1);
  config.attempts = 1;
  const std::string body = f.http.file(noise(1 << 20));
  const auto check_too_slow = [&](const Json& answer) {
    CHECK_THAT(f.fetch({answer}, config).failure,
               Catch::StartsWith("fetch_timeout: ") && Catch::Contains("raise the limits"));
  };
  check_too_slow({{"file", body}, {"drip", {10, 0.1}}});
  check_too_slow({{"file", body}, {"hold", 1000}});
  check_too_slow({{"file", body}, {"wait", 20}});
}

TEST_CASE("fetch: a list has a time limit for all its attempts", "[fetch]") {
  Fetching f;
  FetchConfig config = impatient();
  config.timeout = milliseconds(700);
  const std::string body = f.http.file(noise(1 << 20));
  const Outcome outcome = f.fetch({{{"file", body}, {"drip", {4096, 0.1}}}}, config);
  CHECK_THAT(outcome.failure,
             Catch::StartsWith("fetch_timeout: ") && Catch::Contains("time limit"));
  CHECK(outcome.requests == 1);
  CHECK(outcome.seconds >= 0.7);

  config.attempts = 1'000'000;
  config.backoff = milliseconds(50);
  const Outcome often = f.fetch({status(503)}, config);
  // The limit may find it in a pause or in an attempt.
  CHECK_THAT(often.failure,
             (Catch::StartsWith("fetch_status: ") || Catch::StartsWith("fetch_timeout: ")) &&
                 Catch::Contains("time limit"));
  CHECK(often.requests > 1);
  CHECK(often.requests < 100);
}

TEST_CASE("fetch: a server that can't be reached is named, and not asked for every list",
          "[fetch]") {
  const Directory cache;
  FetchConfig config = impatient();
  config.connect_timeout = milliseconds(100);
  ListFetcher fetcher(config, cache.path());

  const Port closed(Port::Kind::closed);
  CHECK_THAT(failure(fetcher, closed.url("/list")), Catch::StartsWith("fetch_connect: ") &&
                                                        Catch::Contains("refused") &&
                                                        Catch::Contains("after 4 attempts"));

  const Port deaf(Port::Kind::deaf);
  CHECK_THAT(failure(fetcher, deaf.url("/list")),
             Catch::StartsWith("fetch_timeout: ") && Catch::Contains("after 4 attempts"));

  // With 8 at a time and four attempts each, asking for all of them would take 100 seconds.
  std::vector<std::string> urls;
  for (int i = 0; i < 2000; ++i) urls.push_back(deaf.url("/" + std::to_string(i)));
  FixtureServer& http = FixtureServer::get();
  http.answer("/list", {kList});
  urls.push_back(http.url("/list"));
  const auto started = std::chrono::steady_clock::now();
  CHECK_THROWS_WITH(fetcher.fetch(urls), Catch::Contains(deaf.url("/0")));
  CHECK(std::chrono::steady_clock::now() - started < seconds(60));
  CHECK(cache.files(".list").size() == 1);
}
