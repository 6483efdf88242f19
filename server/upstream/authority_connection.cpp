#include "server/upstream/authority_connection.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <charconv>
#include <utility>

#include "server/version.hpp"

namespace server {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr auto kQuiet = asio::as_tuple(asio::use_awaitable);  // errors as values
constexpr std::size_t kHeaderBytesMax = 8 << 10;

using WipedBuffer = beast::basic_flat_buffer<WipingAllocator<char>>;
using WipedBody = http::basic_string_body<char, std::char_traits<char>, WipingAllocator<char>>;

http::request<WipedBody> message_of(const AuthorityRequest& request,
                                    const AuthorityAddress& address) {
  http::request<WipedBody> message;
  message.version(11);
  message.method(request.method == AuthorityMethod::get ? http::verb::get : http::verb::post);
  message.target(fmt::format("{}{}", address.prefix, request.target));
  message.set(http::field::host, address.authority);
  message.set(http::field::accept, "application/json");
  message.set(http::field::user_agent, fmt::format("tashika/{}", kVersion));
  if (request.method == AuthorityMethod::post) {
    if (!request.body.empty()) message.set(http::field::content_type, "application/json");
    message.body() = request.body;
    message.content_length(message.body().size());
  }
  return message;
}

// RFC 9110 10.2.3, in seconds only; an hour at most.
std::optional<std::chrono::milliseconds> retry_after(std::string_view text) {
  constexpr std::uint32_t kSecondsMax = 3600;
  std::uint32_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return std::chrono::seconds(std::min(seconds, kSecondsMax));
}

// Another answer may be better: the authority is overloaded, or on its way up or down.
bool is_passing(unsigned status) {
  return status == 500 || status == 502 || status == 503 || status == 504;
}

[[noreturn]] void fail_status(unsigned status, std::string_view wait) {
  AttemptFailed failure(AuthorityTrouble::bad_status, fmt::format("it answered {}", status),
                        is_passing(status) ? AnotherAttempt::yes : AnotherAttempt::no);
  failure.retry_after = retry_after(wait);
  throw failure;
}

bool is_tls(const error_code& ec) {
  return ec.category() == asio::error::get_ssl_category();
}

// From the parser: what came is no HTTP, or too much of it.
bool is_misbehaviour(const error_code& ec) {
  return ec.category() == error_code(http::error::bad_version).category() &&
         ec != http::error::end_of_stream && ec != http::error::partial_message;
}

}  // namespace

struct AuthorityConnection::Resolution {
  explicit Resolution(const asio::any_io_executor& executor)
      : resolver(executor), limit(executor) {}
  tcp::resolver resolver;
  asio::steady_timer limit;
  error_code failed = asio::error::timed_out;
  tcp::resolver::results_type found;
};

AuthorityConnection::AuthorityConnection(asio::any_io_executor executor, AuthorityLink& link)
    : link_(link), stream_(std::move(executor), link.tls()) {}

void AuthorityConnection::close() {
  if (const auto resolution = resolution_.lock()) resolution->limit.cancel();
  beast::get_lowest_layer(stream_).close();
}

bool AuthorityConnection::is_stale() {
  char octet = 0;
  const int socket = beast::get_lowest_layer(stream_).socket().native_handle();
  const ssize_t got = ::recv(socket, &octet, 1, MSG_PEEK | MSG_DONTWAIT);
  return !(got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK));
}

void AuthorityConnection::fail(const char* doing, const error_code& ec) {
  if (ec == asio::error::operation_aborted) throw boost::system::system_error(ec);
  std::string why = ec.message();
  AuthorityTrouble trouble = is_open_ ? AuthorityTrouble::closed : AuthorityTrouble::unreachable;
  AnotherAttempt another = AnotherAttempt::yes;
  if (ec == beast::error::timeout) {
    trouble = AuthorityTrouble::timeout;
  } else if (is_misbehaviour(ec)) {
    trouble = AuthorityTrouble::bad_answer;
    another = AnotherAttempt::no;
  } else if (is_tls(ec)) {
    trouble = AuthorityTrouble::untrusted;
    another = AnotherAttempt::no;
    const long verdict = SSL_get_verify_result(stream_.native_handle());
    if (verdict != X509_V_OK) {
      why = fmt::format("its certificate: {}", X509_verify_cert_error_string(verdict));
    }
  }
  throw AttemptFailed(trouble, fmt::format("{}: {}", doing, why), another);
}

// The system's resolver can't be interrupted: who gives up leaves it behind.
asio::awaitable<tcp::resolver::results_type> AuthorityConnection::resolve(
    Clock::time_point deadline) {
  const auto resolution =
      std::make_shared<Resolution>(beast::get_lowest_layer(stream_).get_executor());
  resolution_ = resolution;
  resolution->limit.expires_at(deadline);
  resolution->resolver.async_resolve(
      link_.address().host, link_.address().port,
      [resolution](const error_code& ec, tcp::resolver::results_type found) {
        resolution->failed = ec;
        resolution->found = std::move(found);
        resolution->limit.cancel();
      });
  const auto [interrupted] = co_await resolution->limit.async_wait(kQuiet);
  const bool is_unfinished = resolution->failed == asio::error::timed_out;
  if (is_unfinished && interrupted) fail("cannot find its address", interrupted);
  if (is_unfinished) fail("cannot find its address", beast::error::timeout);
  if (resolution->failed) fail("cannot find its address", resolution->failed);
  co_return resolution->found;
}

asio::awaitable<void> AuthorityConnection::connect(Clock::time_point deadline) {
  const AuthorityAddress& address = link_.address();
  beast::tcp_stream& lowest = beast::get_lowest_layer(stream_);
  error_code ec;
  if (address.is_numeric) {
    const tcp::endpoint endpoint(asio::ip::make_address(address.host),
                                 static_cast<std::uint16_t>(std::stoul(address.port)));
    std::tie(ec) = co_await lowest.async_connect(endpoint, kQuiet);
  } else {
    const tcp::resolver::results_type found = co_await resolve(deadline);
    tcp::endpoint used;
    std::tie(ec, used) = co_await lowest.async_connect(found, kQuiet);
  }
  if (ec) fail("cannot connect", ec);
  lowest.socket().set_option(tcp::no_delay(true), ec);
}

asio::awaitable<void> AuthorityConnection::open(Clock::time_point deadline) {
  beast::get_lowest_layer(stream_).expires_at(deadline);
  co_await connect(deadline);
  const AuthorityAddress& address = link_.address();
  // Numeric or not: the certificate must be of this host (RFC 9110 4.3.4).
  stream_.set_verify_callback(asio::ssl::host_name_verification(address.host));
  if (!address.is_numeric) {
    // What SSL_set_tlsext_host_name does; that macro has an old-style cast.
    std::string name = address.host;
    SSL_ctrl(stream_.native_handle(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
             name.data());
  }
  const auto [ec] = co_await stream_.async_handshake(asio::ssl::stream_base::client, kQuiet);
  if (ec) fail("TLS", ec);
  is_open_ = true;
  link_.stats.connections_opened.fetch_add(1, std::memory_order_relaxed);
}

asio::awaitable<AuthorityReply> AuthorityConnection::exchange(const AuthorityRequest& request,
                                                              Clock::time_point deadline) {
  keeps_alive_ = false;
  beast::get_lowest_layer(stream_).expires_at(deadline);
  const http::request<WipedBody> message = message_of(request, link_.address());
  const auto [not_written, written] = co_await http::async_write(stream_, message, kQuiet);
  if (not_written) fail("sending", not_written);

  WipedBuffer buffer(kHeaderBytesMax + link_.config().response_bytes_max);
  http::response_parser<WipedBody> parser;
  parser.header_limit(kHeaderBytesMax);
  parser.body_limit(link_.config().response_bytes_max);
  const auto [not_read, read] = co_await http::async_read(stream_, buffer, parser, kQuiet);
  if (not_read) fail("receiving", not_read);
  beast::get_lowest_layer(stream_).expires_never();  // it may be idle for long

  auto& answer = parser.get();
  const unsigned status = answer.result_int();
  ++answered_;
  keeps_alive_ = parser.keep_alive() && buffer.size() == 0;
  if (status >= 500 || status == 408 || status == 429) {
    fail_status(status, answer[http::field::retry_after]);
  }
  AuthorityReply reply;
  reply.status = status;
  reply.media_type = std::string(answer[http::field::content_type]);
  reply.body = std::move(answer.body());
  co_return reply;
}

}  // namespace server
