// fixture_server.hpp: the server that misbehaves as it is told (fixture_server.py), and a place for
// what is fetched from it.
#pragma once

#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "server/list_fetcher.hpp"

namespace test {

using Json = nlohmann::json;

// A directory of its own, removed at the end.
class Directory {
 public:
  Directory();
  ~Directory();
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  // The names of the files that end so.
  [[nodiscard]] std::vector<std::filesystem::path> files(std::string_view extension) const;

 private:
  std::filesystem::path path_;
};

// One process for all tests of a run. Each test uses paths of its own.
class FixtureServer {
 public:
  static FixtureServer& get();
  ~FixtureServer();

  // What to say at a path of the server, request by request; the last one for ever. Forgets what
  // was asked there before.
  void answer(std::string_view path, const std::vector<Json>& answers);
  // What was asked there: {"headers": {…}, "connection": 1234}, and of a POST the "body".
  [[nodiscard]] std::vector<Json> requests(std::string_view path);

  // "https://127.0.0.1:1234/path"; `which` is http, server, wrong-host, expired, stranger or
  // client.
  [[nodiscard]] std::string url(std::string_view path, const std::string& which = "http") const;
  [[nodiscard]] std::filesystem::path certificate_file(std::string_view name) const;

  // A file with these bytes, for "file" of an answer.
  [[nodiscard]] std::string file(std::string_view bytes);

 private:
  FixtureServer();
  Json ask(const Json& command);

  Directory directory_;
  int process_ = -1;
  std::FILE* to_ = nullptr;
  std::FILE* from_ = nullptr;
  Json ports_;
  int file_count_ = 0;
};

// Impatient, for tests: no pauses to speak of between attempts.
[[nodiscard]] server::FetchConfig impatient();

// Bytes without a pattern, the same for the same seed.
[[nodiscard]] std::string noise(std::size_t bytes, unsigned seed = 1);

[[nodiscard]] std::string content(const std::filesystem::path& path);

// How a fetch of one address failed: "fetch_status: cannot fetch …"; empty if it did not.
[[nodiscard]] std::string failure(server::ListFetcher& fetcher, const std::string& url);

// Of requests(): a header field of the n-th, or "" if there was none.
[[nodiscard]] std::string header(const std::vector<Json>& requests, std::size_t n,
                                 const std::string& name);

}  // namespace test
