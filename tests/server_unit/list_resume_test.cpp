// list_resume_test.cpp: transfers that break off, or are killed, and go on where they stopped.
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <fstream>
#include <system_error>
#include <thread>

#include "tests/server_unit/fixture_server.hpp"

using namespace test;
using server::FetchConfig;
using server::FetchedList;
using server::ListFetcher;

namespace {

constexpr std::size_t kBytes = 4 << 20;
constexpr std::size_t kCut = 3 << 20;

// A list that changes, and whose first answer breaks off.
struct Interrupted {
  FixtureServer& http = FixtureServer::get();
  Directory cache;
  std::string body = noise(kBytes);
  Json whole{{"file", http.file(body)}, {"etag", "\"v1\""}};
  std::string url = http.url("/big");

  static Json cut(Json answer, const char* how = "cut") {
    answer[how] = kCut;
    return answer;
  }
  FetchedList fetch(const FetchConfig& config = impatient()) {
    return ListFetcher(config, cache.path()).fetch({url}).front();
  }
  // Leaves a part behind, as an ingest that gave up.
  void leave_part(const Json& answer) {
    http.answer("/big", {cut(answer)});
    FetchConfig config = impatient();
    config.attempts = 1;
    ListFetcher fetcher(config, cache.path());
    CHECK_THAT(failure(fetcher, url), Catch::StartsWith("fetch_connect: "));
    REQUIRE(cache.files(".part").size() == 1);
  }
  [[nodiscard]] std::uint64_t part_bytes() const {
    return std::filesystem::file_size(cache.files(".part").at(0));
  }
};

// "bytes=123-" as a number; 0 if the whole was asked for.
std::uint64_t asked_from(const std::vector<Json>& requests, std::size_t n) {
  const std::string range = header(requests, n, "range");
  return range.empty() ? 0 : std::stoull(range.substr(range.find('=') + 1));
}

}  // namespace

TEST_CASE("fetch: a transfer that breaks off goes on where it stopped", "[fetch]") {
  Interrupted i;
  i.http.answer("/big", {Interrupted::cut(i.whole), i.whole});
  const FetchedList list = i.fetch();
  CHECK(list.changed);
  CHECK(content(list.path) == i.body);
  CHECK(i.cache.files(".part").empty());
  const auto requests = i.http.requests("/big");
  REQUIRE(requests.size() == 2);
  CHECK(asked_from(requests, 1) > kCut / 2);
  CHECK(asked_from(requests, 1) < kCut);
  CHECK(header(requests, 1, "if-range") == "\"v1\"");
  CHECK_FALSE(i.fetch().changed);
}

TEST_CASE("fetch: the next run goes on as well, and the old list is there until then", "[fetch]") {
  Interrupted i;
  i.http.answer("/big", {{{"body", "old"}, {"etag", "\"v0\""}}});
  const auto path = i.fetch().path;
  i.leave_part(i.whole);
  CHECK(content(path) == "old");
  i.http.answer("/big", {i.whole});
  CHECK(content(i.fetch().path) == i.body);
  const auto requests = i.http.requests("/big");
  REQUIRE(requests.size() == 1);
  CHECK(asked_from(requests, 0) > kCut / 2);
  CHECK(header(requests, 0, "if-none-match") == "\"v0\"");
}

TEST_CASE("fetch: a list that was taken back meanwhile is unchanged, and its part is gone",
          "[fetch]") {
  Interrupted i;
  const Json old{{"body", "old"}, {"etag", "\"v0\""}};
  i.http.answer("/big", {old});
  i.fetch();
  i.leave_part(i.whole);
  i.http.answer("/big", {old});
  CHECK_FALSE(i.fetch().changed);
  CHECK(i.cache.files(".part").empty());
}

TEST_CASE("fetch: pieces of two lists never come together", "[fetch]") {
  Interrupted i;
  const std::string next = noise(kBytes + 1000, 2);
  const Json changed{{"file", i.http.file(next)}, {"etag", "\"v2\""}};
  std::size_t requests = 1;

  SECTION("the list changed, and the server says so") {
    i.leave_part(i.whole);
    i.http.answer("/big", {changed});
  }
  SECTION("the server knows no ranges") {
    i.leave_part(i.whole);
    Json answer = changed;
    answer["ranges"] = false;
    i.http.answer("/big", {answer});
  }
  SECTION("the server sends a range of another list") {
    i.leave_part(i.whole);
    const std::string rest = next.substr(i.part_bytes() - 1);
    const std::string range = "bytes " + std::to_string(i.part_bytes() - 1) + "-" +
                              std::to_string(next.size() - 1) + "/" + std::to_string(next.size());
    i.http.answer("/big", {{{"status", 206},
                            {"file", i.http.file(rest)},
                            {"etag", "\"v2\""},
                            {"headers", {{"Content-Range", range}}}},
                           changed});
    requests = 2;
  }
  SECTION("the server sends another range than it was asked for") {
    i.leave_part(i.whole);
    i.http.answer("/big", {{{"status", 206},
                            {"body", "xy"},
                            {"etag", "\"v1\""},
                            {"headers", {{"Content-Range", "bytes 0-1/2"}}}},
                           changed});
    requests = 2;
  }
  SECTION("416") {
    i.leave_part(i.whole);
    i.http.answer("/big", {{{"status", 416}}, changed});
    requests = 2;
  }
  SECTION("a weak entity tag") {
    Json weak = i.whole;
    weak["etag"] = "W/\"v1\"";
    i.leave_part(weak);
    i.http.answer("/big", {changed});
  }
  SECTION("no entity tag") {
    Json without = i.whole;
    without.erase("etag");
    i.leave_part(without);
    i.http.answer("/big", {changed});
  }
  SECTION("a part without tag, written over one that had a tag") {
    i.leave_part(i.whole);
    Json without = changed;
    without.erase("etag");
    i.leave_part(without);
    i.http.answer("/big", {i.whole, changed});
    CHECK(content(i.fetch().path) == i.body);
    CHECK(asked_from(i.http.requests("/big"), 0) == 0);
  }
  SECTION("a part from before the machine started") {
    i.leave_part(i.whole);
    std::string state = content(i.cache.files(".json").at(0));
    const std::size_t boot = state.find("\"boot\": \"");
    REQUIRE(boot != std::string::npos);
    state[boot + 9] = state[boot + 9] == '0' ? '1' : '0';
    std::ofstream(i.cache.files(".json").at(0)) << state;
    i.http.answer("/big", {changed});
    i.fetch();
    CHECK(asked_from(i.http.requests("/big"), 0) == 0);
  }

  const FetchedList list = i.fetch();
  CHECK(content(list.path) == next);
  CHECK(i.cache.files(".part").empty());
  CHECK(i.http.requests("/big").size() >= requests);
}

TEST_CASE("fetch: a list may come out shorter than the part of the one before", "[fetch]") {
  Interrupted i;
  i.leave_part(i.whole);
  i.http.answer("/big", {{{"body", "short"}, {"etag", "\"v2\""}}});
  CHECK(content(i.fetch().path) == "short");
}

TEST_CASE("fetch: a part that is whole already costs one byte", "[fetch]") {
  Interrupted i;
  i.leave_part(i.whole);
  std::ofstream(i.cache.files(".part").at(0), std::ios::binary) << i.body;
  i.http.answer("/big", {i.whole});
  CHECK(content(i.fetch().path) == i.body);
  const auto requests = i.http.requests("/big");
  REQUIRE(requests.size() == 1);
  CHECK(asked_from(requests, 0) == kBytes - 1);
}

TEST_CASE("fetch: a killed process leaves the old list, and its part to go on with", "[fetch]") {
  Interrupted i;
  i.http.answer("/big", {{{"body", "old"}, {"etag", "\"v0\""}}});
  const auto path = i.fetch().path;
  i.http.answer("/big", {Interrupted::cut(i.whole, "hold")});

  const pid_t process = ::fork();
  if (process == 0) {
    static_cast<void>(i.fetch());
    ::_exit(0);
  }
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (i.cache.files(".part").empty() || i.part_bytes() < kCut) {
    REQUIRE(std::chrono::steady_clock::now() < give_up);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  ::kill(process, SIGKILL);
  int status = 0;
  REQUIRE(::waitpid(process, &status, 0) == process);
  REQUIRE(WIFSIGNALED(status));
  CHECK(content(path) == "old");

  i.http.answer("/big", {i.whole});
  const FetchedList list = i.fetch();
  CHECK(list.changed);
  CHECK(content(list.path) == i.body);
  const auto requests = i.http.requests("/big");
  REQUIRE(requests.size() == 1);
  CHECK(asked_from(requests, 0) == kCut - 1);
  CHECK(header(requests, 0, "if-range") == "\"v1\"");
}

// A limit on the size of files stands in for the disk: both end in a write that fails.
TEST_CASE("fetch: a full disk is named, and not kept full", "[fetch]") {
  Interrupted i;
  i.http.answer("/big", {{{"body", "old"}}});
  const auto path = i.fetch().path;
  i.http.answer("/big", {i.whole});
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  const rlimit small{1 << 20, before.rlim_max};
  ::signal(SIGXFSZ, SIG_IGN);
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  std::string text;
  try {
    i.fetch();
  } catch (const std::system_error& error) {
    text = error.what();
  }
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
  CHECK_THAT(text, Catch::StartsWith("cannot write to " + i.cache.path().string()) &&
                       Catch::EndsWith("File too large"));
  CHECK(i.http.requests("/big").size() == 1);
  CHECK(i.cache.files(".part").empty());
  CHECK(content(path) == "old");
  CHECK(content(i.fetch().path) == i.body);
}

TEST_CASE("fetch: a list that can't fit on the disk is not begun", "[fetch]") {
  Interrupted i;
  i.http.answer("/big", {{{"body", "x"}, {"length", 1LL << 60}}});
  FetchConfig config = impatient();
  config.bytes_max = 1ULL << 62;
  try {
    i.fetch(config);
    FAIL("it was fetched");
  } catch (const std::system_error& error) {
    CHECK_THAT(error.what(), Catch::Contains("1152921504606846976 bytes") &&
                                 Catch::EndsWith("No space left on device"));
  }
  CHECK(i.http.requests("/big").size() == 1);
}
