#include "server/http_server.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <thread>

#include "server/log.hpp"
#include "server/wall_clock.hpp"

namespace server {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr std::chrono::milliseconds kTick{100};           // how often time-outs are looked at
constexpr std::chrono::milliseconds kAcceptBackOff{100};  // after EMFILE and its like
using ReusePort = asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;

tcp::endpoint endpoint_of(const ListenConfig& listen) {
  error_code ec;
  const auto address = asio::ip::make_address(listen.address, ec);
  if (ec) {
    throw std::system_error(
        std::make_error_code(std::errc::invalid_argument),
        fmt::format("cannot listen on {}: give a numeric address", listen.address));
  }
  return {address, listen.port};
}

}  // namespace

class HttpServer::Worker {
 public:
  Worker(const Options& options, HttpBudget& budget, std::unique_ptr<HttpHandler> handler)
      : options_(options),
        budget_(budget),
        handler_(std::move(handler)),
        acceptor_(context_),
        tick_(context_),
        retry_(context_) {
    const tcp::endpoint endpoint = endpoint_of(options.listen);
    acceptor_.open(endpoint.protocol());
    acceptor_.set_option(tcp::acceptor::reuse_address(true));
    acceptor_.set_option(ReusePort(true));
    acceptor_.bind(endpoint);
    acceptor_.listen();
    acceptor_.non_blocking(true);
  }

  void start() {
    accept();
    on_tick();
    thread_ = std::thread([this] { context_.run(); });
  }

  void post(std::function<void(HttpHandler&)> task) {
    asio::post(context_, [this, task = std::move(task)] { task(*handler_); });
  }

  void drain() {
    asio::post(context_, [this] {
      if (draining_since_ != Clock::time_point{}) return;
      accept_pending();
      error_code ignored;
      acceptor_.close(ignored);
      retry_.cancel();
      draining_since_ = Clock::now();
      for (auto at = connections_.begin(); at != connections_.end();) (at++)->drain();
    });
  }

  void join() {
    if (thread_.joinable()) thread_.join();
  }

 private:
  using Clock = HttpConnection::Clock;

  void accept() {
    if (budget_.is_full()) return accept_once_there_is_room();
    acceptor_.async_accept([this](error_code ec, tcp::socket socket) {
      if (!ec) adopt(std::move(socket));
      if (!acceptor_.is_open()) return;
      if (ec) return on_accept_error(ec);
      accept();
    });
  }

  // Somebody waits and all places are taken. Whoever took one and does not get through TLS holds it
  // for seconds otherwise, and costs them nothing.
  void accept_once_there_is_room() {
    acceptor_.async_wait(tcp::acceptor::wait_read, [this](error_code ec) {
      if (ec || !acceptor_.is_open()) return;
      if (!budget_.is_full()) return accept();
      const auto oldest = std::ranges::find_if(connections_, &HttpConnection::is_dispensable);
      if (oldest == connections_.end()) {
        budget_.note(Shortage::connections);
        return accept_later();
      }
      oldest->abort();
      budget_.note(Shortage::handshakes);
      error_code failed;
      tcp::socket socket(context_);
      acceptor_.accept(socket, failed);
      if (!failed) adopt(std::move(socket));
      accept();
    });
  }

  // Nothing ends the listener. Out of descriptors or memory, the connection waits in the kernel's
  // queue, and to try again at once would only spin.
  void on_accept_error(error_code ec) {
    if (ec == asio::error::connection_aborted) return accept();
    if (ec.value() != last_accept_error_)
      log(Level::warning, "accept_failed", {{"error", ec.message()}});
    last_accept_error_ = ec.value();
    accept_later();
  }

  void accept_later() {
    retry_.expires_after(kAcceptBackOff);
    retry_.async_wait([this](error_code ec) {
      if (!ec && acceptor_.is_open()) accept();
    });
  }

  // What the kernel has completed but we have not taken yet would be reset by closing.
  void accept_pending() {
    for (;;) {
      error_code ec;
      tcp::socket socket(context_);
      acceptor_.accept(socket, ec);
      if (ec) return;
      adopt(std::move(socket));
    }
  }

  void adopt(tcp::socket socket) {
    auto tls = options_.tls ? options_.tls->open(socket.native_handle()) : nullptr;
    HttpStream stream(std::move(socket), std::move(tls));
    const auto connection = std::make_shared<HttpConnection>(std::move(stream), options_.limits,
                                                             budget_, now_, *handler_);
    connections_.push_back(*connection);
    connection->start();
    if (draining_since_ != Clock::time_point{}) connection->drain();
  }

  void on_tick() {
    now_ = Clock::now();
    if (options_.tls) options_.tls->refresh(wall_clock());
    const bool draining = draining_since_ != Clock::time_point{};
    const bool overdue = draining && now_ - draining_since_ > options_.drain_timeout;
    for (auto at = connections_.begin(); at != connections_.end();) {
      HttpConnection& connection = *at++;  // it may leave the list now
      if (overdue) {
        connection.abort();
      } else {
        connection.check_deadline();
      }
    }
    if (draining && connections_.empty()) return;  // the loop runs out of work
    tick_.expires_after(kTick);
    tick_.async_wait([this](error_code ec) {
      if (!ec) on_tick();
    });
  }

  const Options& options_;
  HttpBudget& budget_;
  std::unique_ptr<HttpHandler> handler_;
  Clock::time_point now_ = Clock::now();
  Clock::time_point draining_since_;
  int last_accept_error_ = 0;  // logged once
  // Before the context: the handlers that it destroys own connections, which unlink themselves.
  boost::intrusive::list<HttpConnection, boost::intrusive::constant_time_size<false>> connections_;
  asio::io_context context_{1};
  tcp::acceptor acceptor_;
  asio::steady_timer tick_;
  asio::steady_timer retry_;
  std::thread thread_;
};

HttpServer::HttpServer(Options options, const MakeHandler& make_handler)
    : options_(std::move(options)), budget_(options_.budget) {
  check_address_is_free();
  for (unsigned i = 0; i < options_.threads; ++i) {
    workers_.push_back(std::make_unique<Worker>(options_, budget_, make_handler(i)));
  }
}

HttpServer::~HttpServer() {
  drain_and_join();
}

// SO_REUSEPORT would let two servers of the same user share the address without a word.
void HttpServer::check_address_is_free() const {
  asio::io_context context;
  tcp::acceptor probe(context);
  const tcp::endpoint endpoint = endpoint_of(options_.listen);
  error_code ec;
  probe.open(endpoint.protocol(), ec);
  if (!ec) probe.set_option(tcp::acceptor::reuse_address(true), ec);
  if (!ec) probe.bind(endpoint, ec);
  if (!ec) probe.listen(1, ec);
  if (ec) {
    throw std::system_error(
        ec, fmt::format("cannot listen on {}:{}", options_.listen.address, options_.listen.port));
  }
}

void HttpServer::start() {
  for (const auto& worker : workers_) worker->start();
}

void HttpServer::post_to_all(const std::function<void(HttpHandler&)>& task) {
  for (const auto& worker : workers_) worker->post(task);
}

void HttpServer::drain_and_join() {
  for (const auto& worker : workers_) worker->drain();
  for (const auto& worker : workers_) worker->join();
}

}  // namespace server
