// list_fetcher_test.cpp: what ListFetcher brings, and what it asks for: conditional requests, the
// cache, many lists at once, redirects, and what it must not give away.
#include <stdlib.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <fstream>
#include <set>

#include "tests/server_unit/fixture_server.hpp"

using namespace test;
using server::FetchedList;
using server::ListFetcher;

namespace {

const std::string kMonday = "Mon, 05 Jan 2026 00:00:00 GMT";

// One list at /list of the fixture server, and a fetcher for it.
struct Fetching {
  FixtureServer& http = FixtureServer::get();
  Directory cache;
  ListFetcher fetcher{impatient(), cache.path()};

  FetchedList fetch(std::string_view path = "/list") {
    return fetcher.fetch({http.url(path)}).front();
  }
  std::size_t asked(std::string_view path = "/list") { return http.requests(path).size(); }
};

}  // namespace

TEST_CASE("fetch: a list comes as it is, once, and is asked for by its entity tag", "[fetch]") {
  Fetching f;
  const std::string body = noise(300'000);
  f.http.answer("/list", {{{"file", f.http.file(body)}, {"etag", "\"one\""}}});

  const FetchedList first = f.fetch();
  CHECK(first.url == f.http.url("/list"));
  CHECK(first.changed);
  CHECK(content(first.path) == body);
  CHECK(first.path.extension() == ".list");

  const FetchedList second = f.fetch();
  CHECK_FALSE(second.changed);
  CHECK(second.path == first.path);
  CHECK(content(second.path) == body);

  // As another process, which knows only what is on the disk.
  ListFetcher other(impatient(), f.cache.path());
  CHECK_FALSE(other.fetch({f.http.url("/list")}).front().changed);

  const auto requests = f.http.requests("/list");
  REQUIRE(requests.size() == 3);
  CHECK(header(requests, 0, "if-none-match").empty());
  CHECK(header(requests, 1, "if-none-match") == "\"one\"");
  CHECK(header(requests, 2, "if-none-match") == "\"one\"");
  CHECK(header(requests, 0, "accept-encoding") == "identity");
  const std::string agent = header(requests, 0, "user-agent");
  CHECK(agent.starts_with("tashika/"));
  CHECK(agent.find_first_of("0123456789") == 8);
}

TEST_CASE("fetch: a list that changed replaces the old one", "[fetch]") {
  Fetching f;
  f.http.answer("/list",
                {{{"body", "old"}, {"etag", "\"1\""}}, {{"body", "newer"}, {"etag", "\"2\""}}});
  CHECK(f.fetch().changed);
  const FetchedList list = f.fetch();
  CHECK(list.changed);
  CHECK(content(list.path) == "newer");
  CHECK_FALSE(f.fetch().changed);
  CHECK(header(f.http.requests("/list"), 2, "if-none-match") == "\"2\"");
}

TEST_CASE("fetch: without an entity tag, a list is asked for by its date", "[fetch]") {
  Fetching f;
  f.http.answer("/list", {{{"body", "list"}, {"last_modified", kMonday}}});
  CHECK(f.fetch().changed);
  CHECK_FALSE(f.fetch().changed);
  CHECK(header(f.http.requests("/list"), 1, "if-modified-since") == kMonday);
}

// It may change once more within that second and keep its date.
TEST_CASE("fetch: a date that is not older than the answer proves nothing", "[fetch]") {
  Fetching f;
  f.http.answer("/list", {{{"body", "list"}, {"last_modified", "Fri, 01 Jan 2094 00:00:00 GMT"}}});
  CHECK(f.fetch().changed);
  CHECK_FALSE(f.fetch().changed);  // by its bytes
  CHECK(header(f.http.requests("/list"), 1, "if-modified-since").empty());
}

TEST_CASE("fetch: from a server without validators, bytes decide what changed", "[fetch]") {
  Fetching f;
  f.http.answer("/list", {{{"body", "same"}}, {{"body", "same"}}, {{"body", "next"}}});
  CHECK(f.fetch().changed);
  CHECK_FALSE(f.fetch().changed);
  const FetchedList list = f.fetch();
  CHECK(list.changed);
  CHECK(content(list.path) == "next");
}

TEST_CASE("fetch: Expires and Cache-Control never save a request", "[fetch]") {
  Fetching f;
  f.http.answer("/list", {{{"body", "list"},
                           {"etag", "\"1\""},
                           {"headers",
                            {{"Cache-Control", "max-age=86400, immutable"},
                             {"Expires", "Fri, 01 Jan 2094 00:00:00 GMT"}}}}});
  f.fetch();
  f.fetch();
  CHECK(f.asked() == 2);
}

// A wrong "unchanged" would hide every list to come.
TEST_CASE("fetch: a list that is not the one its validators were noted for is fetched whole",
          "[fetch]") {
  Fetching f;
  f.http.answer("/list", {{{"body", "right"}, {"etag", "\"1\""}}});
  const std::filesystem::path path = f.fetch().path;
  const auto modified = std::filesystem::last_write_time(path);
  const auto state = f.cache.files(".json").at(0);

  SECTION("altered, in size and date as before") {
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    std::ofstream(path) << "wrong";
    std::filesystem::last_write_time(path, modified);
  }
  SECTION("replaced by another, in size and date as before") {
    std::ofstream(path.string() + "-new") << "wrong";
    std::filesystem::rename(path.string() + "-new", path);
    std::filesystem::last_write_time(path, modified);
  }
  SECTION("removed") {
    std::filesystem::remove(path);
  }
  SECTION("the state cut short") {
    std::filesystem::resize_file(state, 20);
  }
  SECTION("the state empty, as after a power failure") {
    std::filesystem::resize_file(state, 0);
  }
  SECTION("the state of another form") {
    std::ofstream(state) << "{\"list\": 3}";
  }
  SECTION("the state removed") {
    std::filesystem::remove(state);
  }
  SECTION("forgotten, because what it held was refused") {
    f.fetcher.forget(f.http.url("/list"));
  }

  CHECK(content(f.fetch().path) == "right");
  CHECK(header(f.http.requests("/list"), 1, "if-none-match").empty());
  f.fetch();
  CHECK(header(f.http.requests("/list"), 2, "if-none-match") == "\"1\"");
}

TEST_CASE("fetch: 304 that nobody asked for is no list", "[fetch]") {
  Fetching f;
  f.http.answer("/list", {{{"status", 304}}});
  CHECK_THAT(failure(f.fetcher, f.http.url("/list")), Catch::StartsWith("fetch_status: "));
}

TEST_CASE("fetch: 1,900 lists come over few connections, and in the order asked", "[fetch]") {
  Fetching f;
  std::vector<std::string> urls;
  for (int i = 0; i < 1900; ++i) {
    const std::string path = "/many/" + std::to_string(i);
    f.http.answer(path, {{{"body", "list " + std::to_string(i)}, {"etag", "\"e\""}}});
    urls.push_back(f.http.url(path));
  }
  std::size_t lists_done = 0;
  std::uint64_t bytes_done = 0;
  std::uint64_t bytes_total = 0;
  const auto progress = [&](std::uint64_t done, std::uint64_t total, std::size_t lists,
                            std::size_t lists_total) {
    CHECK(lists_total == 1900);
    CHECK(lists >= lists_done);
    lists_done = lists;
    bytes_done = done;
    bytes_total = total;
  };
  const auto started = std::chrono::steady_clock::now();
  const auto lists = f.fetcher.fetch(urls, progress);
  const auto fetched = std::chrono::steady_clock::now();
  const auto again = f.fetcher.fetch(urls);
  const auto asked = std::chrono::steady_clock::now();
  const auto seconds = [](auto from, auto to) {
    return std::chrono::duration<double>(to - from).count();
  };
  INFO("fetched in " << seconds(started, fetched) << " s, unchanged in "
                     << seconds(fetched, asked));

  CHECK(lists_done == 1900);
  CHECK(bytes_done == 10 * 6 + 90 * 7 + 900 * 8 + 900 * 9);
  CHECK(bytes_total == bytes_done);
  REQUIRE(lists.size() == 1900);
  std::set<int> connections;
  for (std::size_t i = 0; i < lists.size(); ++i) {
    REQUIRE(content(lists[i].path) == "list " + std::to_string(i));
    REQUIRE(lists[i].changed);
    REQUIRE_FALSE(again[i].changed);
    for (const Json& request : f.http.requests("/many/" + std::to_string(i))) {
      connections.insert(request.at("connection").get<int>());
    }
  }
  CHECK(connections.size() <= 8);
  CHECK(f.cache.files(".part").empty());
  CHECK(seconds(started, asked) < 120);  // "a few seconds", on the slowest of machines
}

TEST_CASE("fetch: one list that fails for good doesn't keep the others from coming", "[fetch]") {
  Fetching f;
  f.http.answer("/a", {{{"body", "a"}, {"etag", "\"a\""}}});
  f.http.answer("/b", {{{"status", 404}}});
  f.http.answer("/c", {{{"status", 410}}});
  f.http.answer("/d", {{{"body", "d"}, {"etag", "\"d\""}, {"wait", 0.3}}});
  const std::vector<std::string> urls{f.http.url("/a"), f.http.url("/b"), f.http.url("/c"),
                                      f.http.url("/d")};
  CHECK_THROWS_WITH(f.fetcher.fetch(urls),
                    Catch::Contains("/b: HTTP status 404") && Catch::Contains("after 1 attempt)"));
  CHECK(f.cache.files(".list").size() == 2);

  // The next run needs only the rest.
  f.http.answer("/b", {{{"body", "b"}}});
  f.http.answer("/c", {{{"body", "c"}}});
  const auto lists = f.fetcher.fetch(urls);
  CHECK_FALSE(lists[0].changed);
  CHECK(lists[1].changed);
  CHECK(content(lists[2].path) == "c");
  CHECK_FALSE(lists[3].changed);
}

TEST_CASE("fetch: an address given twice is fetched once", "[fetch]") {
  Fetching f;
  f.http.answer("/list", {{{"body", "list"}}});
  const auto lists = f.fetcher.fetch({f.http.url("/list"), f.http.url("/list")});
  REQUIRE(lists.size() == 2);
  CHECK(lists[0].path == lists[1].path);
  CHECK(f.asked() == 1);
  CHECK(f.fetcher.fetch({}).empty());
}

TEST_CASE("fetch: keep_only removes what is no longer wanted, and nothing else", "[fetch]") {
  Fetching f;
  f.http.answer("/list", {{{"body", "list"}, {"etag", "\"1\""}}});
  f.http.answer("/old", {{{"body", "old"}, {"etag", "\"1\""}}});
  const auto kept = f.fetch("/list").path;
  const auto removed = f.fetch("/old").path;
  std::ofstream(f.cache.path() / "notes.list") << "not ours";
  f.fetcher.keep_only({f.http.url("/list")});
  CHECK(std::filesystem::exists(kept));
  CHECK_FALSE(std::filesystem::exists(removed));
  CHECK(f.cache.files(".json").size() == 1);
  CHECK(std::filesystem::exists(f.cache.path() / "notes.list"));
  CHECK_FALSE(f.fetch("/list").changed);
}

TEST_CASE("fetch: a text is fetched and asked for like a list", "[fetch]") {
  Fetching f;
  f.http.answer(
      "/manifest",
      {{{"body", "one\ntwo\n"}, {"etag", "\"m\""}, {"headers", {{"Content-Type", "text/plain"}}}}});
  CHECK(f.fetcher.fetch_text(f.http.url("/manifest")) == "one\ntwo\n");
  CHECK(f.fetcher.fetch_text(f.http.url("/manifest")) == "one\ntwo\n");
  CHECK(header(f.http.requests("/manifest"), 1, "if-none-match") == "\"m\"");
  f.http.answer("/manifest", {{{"body", "x"}, {"length", 65 << 20}}});
  CHECK_THROWS_WITH(f.fetcher.fetch_text(f.http.url("/manifest")),
                    Catch::Contains("larger than the 67108864"));
}

TEST_CASE("fetch: what is no list is refused, and the old list stays", "[fetch]") {
  Fetching f;
  f.http.answer("/list", {{{"body", "list"}}});
  const auto path = f.fetch().path;
  const auto refusal = [&](const Json& answer) {
    f.http.answer("/list", {answer});
    const std::string text = failure(f.fetcher, f.http.url("/list"));
    CHECK(f.asked() == 1);
    CHECK(content(path) == "list");
    return text;
  };
  CHECK_THAT(refusal({{"body", ""}}), Catch::Contains("fetch_content") && Catch::Contains("empty"));
  CHECK_THAT(
      refusal({{"body", "<p>Log in"}, {"headers", {{"Content-Type", "Text/HTML; charset=utf-8"}}}}),
      Catch::Contains("fetch_content") && Catch::Contains("web page"));
  CHECK_THAT(refusal({{"body", "squeezed"}, {"headers", {{"Content-Encoding", "gzip"}}}}),
             Catch::Contains("fetch_content") && Catch::Contains("gzip"));
  CHECK_THAT(refusal({{"body", "x"}, {"status", 206}}), Catch::StartsWith("fetch_protocol"));
  CHECK_THAT(refusal({{"raw", "hello\n"}}), Catch::StartsWith("fetch_protocol"));
}

TEST_CASE("fetch: three redirects are followed, four are not", "[fetch]") {
  Fetching f;
  const auto to = [](const std::string& where) {
    return std::vector<Json>{{{"status", 302}, {"headers", {{"Location", where}}}}};
  };
  f.http.answer("/4", to("/3"));
  f.http.answer("/3", to(f.http.url("/2", "server")));  // to https is always right
  f.http.answer("/2", to("1"));
  f.http.answer("/1", {{{"body", "there"}, {"etag", "\"1\""}}});
  CHECK(content(f.fetch("/3").path) == "there");
  CHECK_FALSE(f.fetch("/3").changed);
  CHECK(content(f.fetch("/4").path) == "there");

  f.http.answer("/5", to("/4"));
  CHECK_THAT(failure(f.fetcher, f.http.url("/5")),
             Catch::Contains("fetch_redirect") && Catch::Contains("more than 3"));
  f.http.answer("/loop", to("/loop"));
  CHECK_THAT(failure(f.fetcher, f.http.url("/loop")), Catch::StartsWith("fetch_redirect"));
  CHECK(f.asked("/loop") == 4);
  f.http.answer("/nowhere", {{{"status", 302}}});
  CHECK_THAT(failure(f.fetcher, f.http.url("/nowhere")), Catch::StartsWith("fetch_redirect"));
}

TEST_CASE("fetch: from https no redirect leads to http, and from http none to a file", "[fetch]") {
  Fetching f;
  f.http.answer("/plain", {{{"body", "list"}}});
  f.http.answer("/down", {{{"status", 301}, {"headers", {{"Location", f.http.url("/plain")}}}}});
  CHECK_THAT(failure(f.fetcher, f.http.url("/down", "server")),
             Catch::StartsWith("fetch_redirect"));
  f.http.answer("/up",
                {{{"status", 308}, {"headers", {{"Location", f.http.url("/down", "server")}}}}});
  CHECK_THAT(failure(f.fetcher, f.http.url("/up")), Catch::StartsWith("fetch_redirect"));
  CHECK(f.asked("/plain") == 0);
  f.http.answer("/file", {{{"status", 302}, {"headers", {{"Location", "file:///etc/hostname"}}}}});
  CHECK_THAT(failure(f.fetcher, f.http.url("/file")), Catch::StartsWith("fetch_url"));
  for (const char* url :
       {"file:///etc/hostname", "ftp://127.0.0.1/list", "ldap://127.0.0.1/", "http://"}) {
    CHECK_THAT(failure(f.fetcher, url), Catch::StartsWith("fetch_url"));
  }
}

TEST_CASE("fetch: passwords and queries are sent, and never told", "[fetch]") {
  Fetching f;
  std::string url = f.http.url("/list?token=secret2");
  url.insert(7, "user:secret1@");
  f.http.answer("/list?token=secret2", {{{"body", "list"}, {"etag", "\"1\""}}, {{"status", 403}}});
  static_cast<void>(f.fetcher.fetch({url}));
  CHECK(header(f.http.requests("/list?token=secret2"), 0, "authorization") ==
        "Basic dXNlcjpzZWNyZXQx");
  CHECK_THAT(content(f.cache.files(".json").at(0)),
             Catch::Contains("127.0.0.1") && !Catch::Contains("secret"));
  CHECK_THAT(failure(f.fetcher, url),
             Catch::Contains("/list?...: HTTP status 403") && !Catch::Contains("secret"));
}

TEST_CASE("fetch: cookies are not kept", "[fetch]") {
  Fetching f;
  f.http.answer("/list", {{{"body", "list"}, {"headers", {{"Set-Cookie", "a=b; Path=/"}}}}});
  f.fetch();
  f.fetch();
  CHECK(header(f.http.requests("/list"), 1, "cookie").empty());
}

TEST_CASE("fetch: a proxy of the environment is used", "[fetch]") {
  Fetching f;
  ::setenv("http_proxy", f.http.url("").c_str(), 1);
  f.http.answer("http://authority.invalid/list", {{{"body", "by proxy"}}});
  const auto lists = f.fetcher.fetch({"http://authority.invalid/list"});
  ::unsetenv("http_proxy");
  CHECK(content(lists.front().path) == "by proxy");
}
