// authority_fixture.hpp: an AuthorityClient with its loop, and the stand-in as a process, for
// tests.
#pragma once

#include <sys/types.h>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "server/platform_config.hpp"
#include "server/upstream/authority_client.hpp"
#include "tests/server_unit/fixture_server.hpp"

namespace test {

// How one question ended.
template <class T>
struct Ending {
  std::optional<T> answer;
  std::exception_ptr error;

  [[nodiscard]] bool is_over() const { return answer || error; }
  // Why there is no answer: "timeout", "cancelled"; empty if there is one.
  [[nodiscard]] std::string trouble() const;
  [[nodiscard]] std::string text() const;
};

[[nodiscard]] std::string trouble_of(const std::exception_ptr& error);
[[nodiscard]] std::string text_of(const std::exception_ptr& error);

template <class T>
std::string Ending<T>::trouble() const {
  return error ? trouble_of(error) : std::string();
}
template <class T>
std::string Ending<T>::text() const {
  return error ? text_of(error) : std::string();
}

// One client on one loop, which the test runs itself.
class Asker {
 public:
  explicit Asker(const server::AuthorityConfig& config)
      : link(std::make_shared<server::AuthorityLink>(config, 1)),
        client(std::make_unique<server::AuthorityClient>(context.get_executor(), link)) {}

  // Begins; run() brings it to its end.
  template <class T>
  std::shared_ptr<Ending<T>> begin(boost::asio::awaitable<T> question) {
    auto ending = std::make_shared<Ending<T>>();
    boost::asio::co_spawn(context, std::move(question), keep(ending));
    return ending;
  }

  template <class T>
  static auto keep(std::shared_ptr<Ending<T>> ending) {
    return [ending](std::exception_ptr error, T answer) {
      ending->error = std::move(error);
      if (!ending->error) ending->answer.emplace(std::move(answer));
    };
  }

  void run() {
    context.restart();
    context.run();
  }
  // Until all that can happen at once has happened.
  void run_for(std::chrono::milliseconds duration) {
    context.restart();
    context.run_for(duration);
  }

  template <class T>
  Ending<T> ask(boost::asio::awaitable<T> question) {
    const auto ending = begin(std::move(question));
    run();
    return *ending;
  }

  boost::asio::io_context context{1};
  std::shared_ptr<server::AuthorityLink> link;
  std::unique_ptr<server::AuthorityClient> client;
};

// `jlis-standin serve`: thirty people, of whom the first twelve do nothing by themselves. One
// process a run.
class Standin {
 public:
  static Standin& get();
  ~Standin();
  Standin(const Standin&) = delete;
  Standin& operator=(const Standin&) = delete;

  [[nodiscard]] server::AuthorityConfig config() const;
  // POST with a body, DELETE with one that is "DELETE", GET without. Throws on anything but 200.
  Json control(const std::string& path, const Json& body = nullptr);
  // That it has used so far.
  [[nodiscard]] double processor_seconds() const;

 private:
  Standin();
  Directory directory_;
  pid_t process_ = -1;
  Json ports_;
};

}  // namespace test
