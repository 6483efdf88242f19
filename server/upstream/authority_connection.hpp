// authority_connection.hpp: one connection to the authority, over mutual TLS: opened once, then one
// request after the other. One thread.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <boost/intrusive/list.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

#include "server/upstream/authority_link.hpp"
#include "server/upstream/authority_protocol.hpp"

namespace server {

// May one attempt be followed by another?
enum class AnotherAttempt : std::uint8_t { no, yes };

// Why one attempt got no answer. what() continues "the authority at <address>: ".
class AttemptFailed : public std::runtime_error {
 public:
  AttemptFailed(AuthorityTrouble reason, const std::string& text, AnotherAttempt then)
      : std::runtime_error(text), trouble(reason), another(then) {}
  AuthorityTrouble trouble;
  AnotherAttempt another;
  std::optional<std::chrono::milliseconds> retry_after;  // as the authority asks
};

class AuthorityConnection : public boost::intrusive::list_base_hook<
                                boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  using Clock = std::chrono::steady_clock;

  // The link must outlive it.
  AuthorityConnection(boost::asio::any_io_executor executor, AuthorityLink& link);

  // Both throw AttemptFailed, and system_error(operation_aborted) if they were cancelled or the
  // connection was closed meanwhile.
  [[nodiscard]] boost::asio::awaitable<void> open(Clock::time_point deadline);
  // Any answer, whatever its status. After a failure the connection is of no use any more.
  [[nodiscard]] boost::asio::awaitable<AuthorityReply> exchange(const AuthorityRequest& request,
                                                                Clock::time_point deadline);

  [[nodiscard]] bool is_open() const { return is_open_; }
  // Whether another request may follow the one that was answered.
  [[nodiscard]] bool keeps_alive() const { return keeps_alive_; }
  // How many requests were answered on it.
  [[nodiscard]] std::uint64_t answered() const { return answered_; }
  // While idle: whether the authority has hung up, or said something unasked. Costs a system call.
  [[nodiscard]] bool is_stale();

  // What is under way ends with operation_aborted.
  void close();

 private:
  struct Resolution;
  boost::asio::awaitable<boost::asio::ip::tcp::resolver::results_type> resolve(
      Clock::time_point deadline);
  boost::asio::awaitable<void> connect(Clock::time_point deadline);
  [[noreturn]] void fail(const char* doing, const boost::system::error_code& ec);

  AuthorityLink& link_;
  boost::beast::ssl_stream<boost::beast::tcp_stream> stream_;
  std::weak_ptr<Resolution> resolution_;  // while one is under way
  bool is_open_ = false;
  bool keeps_alive_ = false;
  std::uint64_t answered_ = 0;
};

}  // namespace server
