// http_server.hpp: listeners and their workers. Each worker is a thread with an event loop, an
// acceptor and a handler of its own (SO_REUSEPORT lets the kernel spread connections); nothing is
// shared.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "server/config.hpp"
#include "server/http_connection.hpp"
#include "server/tls.hpp"

namespace server {

class HttpServer {
 public:
  struct Options {
    ListenConfig listen;
    unsigned threads = 1;
    std::shared_ptr<TlsContext> tls;  // null: in the clear
    HttpBudget::Limits budget;        // over all workers
    HttpLimits limits;
    std::chrono::milliseconds drain_timeout{10'000};
  };
  // Makes the handler of one worker; called before its thread starts.
  using MakeHandler = std::function<std::unique_ptr<HttpHandler>(unsigned worker)>;

  // Binds and listens; nothing is accepted before start(). Throws std::system_error, naming the
  // address, also if anybody else listens there.
  HttpServer(Options options, const MakeHandler& make_handler);
  ~HttpServer();

  void start();

  // Runs `task` on every worker's thread, between requests.
  void post_to_all(const std::function<void(HttpHandler&)>& task);

  // Stops accepting, answers what is in flight, and returns when every connection has ended or the
  // drain time-out is over. The loops stay until the server is destroyed: what still refers to a
  // connection may post to them, and nothing runs.
  void drain_and_join();

  [[nodiscard]] const HttpBudget& budget() const { return budget_; }

 private:
  class Worker;
  void check_address_is_free() const;

  const Options options_;
  HttpBudget budget_;
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace server
