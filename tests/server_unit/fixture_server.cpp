#include "tests/server_unit/fixture_server.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>
#include <stdexcept>

namespace test {

namespace fs = std::filesystem;

Directory::Directory() {
  std::string name = (fs::temp_directory_path() / "tashika-fetch-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make " + name);
  path_ = name;
}

Directory::~Directory() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::vector<fs::path> Directory::files(std::string_view extension) const {
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(path_)) {
    if (entry.path().extension() == extension) found.push_back(entry.path());
  }
  return found;
}

FixtureServer& FixtureServer::get() {
  static FixtureServer server;
  return server;
}

FixtureServer::FixtureServer() {
  for (const char* name : {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"}) {
    ::unsetenv(name);
  }
  std::array<int, 2> in{};
  std::array<int, 2> out{};
  if (::pipe2(in.data(), O_CLOEXEC) != 0 || ::pipe2(out.data(), O_CLOEXEC) != 0) {
    throw std::runtime_error("cannot make a pipe");
  }
  process_ = ::fork();
  if (process_ == 0) {
    ::dup2(in[0], STDIN_FILENO);
    ::dup2(out[1], STDOUT_FILENO);
    ::execl("/usr/bin/python3", "python3", "-B",
            TASHIKA_SOURCE_DIR "/tests/server_unit/fixture_server.py", directory_.path().c_str(),
            nullptr);
    ::_exit(127);
  }
  ::close(in[0]);
  ::close(out[1]);
  to_ = ::fdopen(in[1], "w");
  from_ = ::fdopen(out[0], "r");
  ports_ = ask(nullptr);
}

FixtureServer::~FixtureServer() {
  std::fclose(to_);
  std::fclose(from_);
  ::waitpid(process_, nullptr, 0);
}

// With null: only listens.
Json FixtureServer::ask(const Json& command) {
  if (!command.is_null()) {
    std::fputs((command.dump() + "\n").c_str(), to_);
    std::fflush(to_);
  }
  std::string line;
  for (int c = std::fgetc(from_); c != EOF && c != '\n'; c = std::fgetc(from_)) {
    line.push_back(static_cast<char>(c));
  }
  if (line.empty()) throw std::runtime_error("fixture_server.py ended");
  return Json::parse(line);
}

void FixtureServer::answer(std::string_view path, const std::vector<Json>& answers) {
  ask({{"path", path}, {"answers", answers}});
}

std::vector<Json> FixtureServer::requests(std::string_view path) {
  return ask({{"requests", path}}).get<std::vector<Json>>();
}

std::string FixtureServer::url(std::string_view path, const std::string& which) const {
  std::string out = which == "http" ? "http" : "https";
  out.append("://127.0.0.1:").append(std::to_string(ports_.at(which).get<int>())).append(path);
  return out;
}

fs::path FixtureServer::certificate_file(std::string_view name) const {
  return directory_.path() / name;
}

std::string FixtureServer::file(std::string_view bytes) {
  const fs::path path = directory_.path() / ("body-" + std::to_string(++file_count_));
  std::ofstream(path, std::ios::binary) << bytes;
  return path.string();
}

server::FetchConfig impatient() {
  server::FetchConfig config;
  config.backoff = std::chrono::milliseconds(1);
  config.timeout = std::chrono::milliseconds(60'000);
  config.ca = FixtureServer::get().certificate_file("ca.pem");
  return config;
}

std::string noise(std::size_t bytes, unsigned seed) {
  std::mt19937 random(seed);
  std::string out(bytes, '\0');
  for (char& c : out) c = static_cast<char>(random());
  return out;
}

std::string content(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string failure(server::ListFetcher& fetcher, const std::string& url) try {
  static_cast<void>(fetcher.fetch({url}));
  return {};
} catch (const server::FetchError& error) {
  return error.reason() + ": " + error.what();
}

std::string header(const std::vector<Json>& requests, std::size_t n, const std::string& name) {
  return requests.at(n).at("headers").value(name, std::string());
}

}  // namespace test
