#include "authority/http_server.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <charconv>
#include <utility>

#include "authority/failure.hpp"

namespace authority {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using PlainStream = beast::tcp_stream;
using TlsStream = beast::ssl_stream<beast::tcp_stream>;

constexpr auto kQuiet = asio::as_tuple(asio::use_awaitable);  // errors as values
constexpr std::chrono::seconds kIdleTimeout{60};
constexpr std::chrono::milliseconds kAcceptBackOff{100};
constexpr std::chrono::milliseconds kDripInterval{50};
constexpr std::size_t kSmallBody = 8192;

tcp::endpoint parse_endpoint(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  if (colon != std::string::npos) {
    error_code ec;
    const auto address = asio::ip::make_address(text.substr(0, colon), ec);
    std::uint16_t port = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data() + colon + 1, end, port);
    if (!ec && error == std::errc{} && stop == end) return {address, port};
  }
  throw Failure(std::string("'").append(text).append("' is no address; write 127.0.0.1:8080"));
}

Request translate(http::request<http::string_body>& message) {
  Request request;
  request.method = std::string(message.method_string());
  request.target = std::string(message.target());
  for (const auto& field : message) {
    std::string name(field.name_string());
    for (char& letter : name) letter = static_cast<char>(std::tolower(letter));
    request.fields[std::move(name)] = std::string(field.value());
  }
  request.body = std::move(message.body());
  return request;
}

std::string head_of(const Response& response, bool keep_alive) {
  const auto reason = http::obsolete_reason(static_cast<http::status>(response.status));
  std::string head = "HTTP/1.1 ";
  head.append(std::to_string(response.status)).append(" ").append(reason).append("\r\n");
  for (const auto& [name, value] : response.fields) {
    head.append(name).append(": ").append(value).append("\r\n");
  }
  if (response.status != 304) {
    head.append("Content-Length: ").append(std::to_string(response.size)).append("\r\n");
  }
  return head.append(keep_alive ? "\r\n" : "Connection: close\r\n\r\n");
}

asio::awaitable<void> pause(std::chrono::milliseconds duration) {
  asio::steady_timer timer(co_await asio::this_coro::executor, duration);
  co_await timer.async_wait(kQuiet);
}

// One connection, from its first request to its end.
template <typename Stream>
class Session {
 public:
  Session(Stream& stream, const Handler& handler) : stream_(stream), handler_(handler) {}

  asio::awaitable<void> run() {
    beast::flat_buffer buffer;
    for (bool open = true; open;) {
      http::request_parser<http::string_body> parser;
      parser.body_limit(HttpServer::kBodyBytesMax);
      lowest().expires_after(kIdleTimeout);
      const auto [ec, size] = co_await http::async_read(stream_, buffer, parser, kQuiet);
      if (ec) co_return;
      const bool keep_alive = parser.get().keep_alive();
      const Request request = translate(parser.get());
      lowest().expires_never();
      const Response response = co_await handler_(request);
      open = co_await write(request, response, keep_alive) && keep_alive;
    }
  }

 private:
  PlainStream& lowest() { return beast::get_lowest_layer(stream_); }

  // False if the connection is not to be used any more.
  asio::awaitable<bool> write(const Request& request, const Response& response, bool keep_alive) {
    const Delivery& delivery = response.delivery;
    const bool broken = delivery.end != Delivery::End::none;
    if (delivery.delay.count() > 0) co_await pause(delivery.delay);
    OctetView body = request.method == "HEAD" ? OctetView() : response.body();
    if (broken) body = body.first(std::min(body.size(), delivery.end_after));
    std::string head = head_of(response, keep_alive);
    if (body.size() <= kSmallBody && !delivery.bytes_per_second) {  // with the head, in one record
      head.append(reinterpret_cast<const char*>(body.data()), body.size());
      body = OctetView();
    }
    const OctetView beginning(reinterpret_cast<const std::uint8_t*>(head.data()), head.size());
    bool sound = co_await write_some(beginning);
    const std::size_t piece = piece_bytes(delivery, body.size());
    while (sound && !body.empty()) {
      const OctetView now = body.first(std::min(piece, body.size()));
      sound = co_await write_some(now);
      body = body.subspan(now.size());
      if (delivery.bytes_per_second && !body.empty()) {
        co_await pause(std::chrono::milliseconds(1000 * now.size() / *delivery.bytes_per_second));
      }
    }
    if (delivery.end == Delivery::End::reset) reset();
    co_return sound && !broken;
  }

  static std::size_t piece_bytes(const Delivery& delivery, std::size_t body_bytes) {
    if (!delivery.bytes_per_second) return std::max<std::size_t>(body_bytes, 1);
    const auto pieces_a_second = static_cast<std::size_t>(1000 / kDripInterval.count());
    return std::max<std::size_t>(*delivery.bytes_per_second / pieces_a_second, 1);
  }

  asio::awaitable<bool> write_some(OctetView octets) {
    lowest().expires_after(kIdleTimeout);
    const auto [ec, size] =
        co_await asio::async_write(stream_, asio::buffer(octets.data(), octets.size()), kQuiet);
    co_return !ec;
  }

  // Closing with SO_LINGER of zero sends RST.
  void reset() {
    error_code ignored;
    lowest().socket().set_option(tcp::socket::linger(true, 0), ignored);
    lowest().socket().close(ignored);
  }

  Stream& stream_;
  const Handler& handler_;
};

asio::awaitable<void> serve_plain(tcp::socket socket, const Handler& handler) {
  PlainStream stream(std::move(socket));
  Session<PlainStream> session(stream, handler);
  co_await session.run();
  error_code ignored;
  stream.socket().shutdown(tcp::socket::shutdown_both, ignored);
}

asio::awaitable<void> serve_tls(tcp::socket socket, asio::ssl::context& tls,
                                const Handler& handler) {
  TlsStream stream(std::move(socket), tls);
  beast::get_lowest_layer(stream).expires_after(kIdleTimeout);
  const auto [ec] = co_await stream.async_handshake(asio::ssl::stream_base::server, kQuiet);
  if (ec) co_return;
  Session<TlsStream> session(stream, handler);
  co_await session.run();
  error_code ignored;
  beast::get_lowest_layer(stream).socket().shutdown(tcp::socket::shutdown_both, ignored);
}

}  // namespace

HttpServer::HttpServer(asio::io_context& context, const std::string& address,
                       asio::ssl::context* tls, Handler handler)
    : acceptor_(context), tls_(tls), handler_(std::move(handler)) {
  const tcp::endpoint endpoint = parse_endpoint(address);
  error_code ec;
  acceptor_.open(endpoint.protocol(), ec);
  if (!ec) acceptor_.set_option(tcp::acceptor::reuse_address(true), ec);
  if (!ec) acceptor_.bind(endpoint, ec);
  if (!ec) acceptor_.listen(tcp::acceptor::max_listen_connections, ec);
  if (ec) {
    throw Failure(std::string("cannot listen on ").append(address).append(": ") + ec.message());
  }
  asio::co_spawn(context, accept(), asio::detached);
}

std::string HttpServer::address() const {
  const tcp::endpoint endpoint = acceptor_.local_endpoint();
  return endpoint.address().to_string().append(":").append(std::to_string(endpoint.port()));
}

asio::awaitable<void> HttpServer::accept() {
  for (;;) {
    auto [ec, socket] = co_await acceptor_.async_accept(kQuiet);
    if (ec) {  // out of descriptors, say: later there may be some
      co_await pause(kAcceptBackOff);
      continue;
    }
    socket.set_option(tcp::no_delay(true), ec);
    auto session = tls_ == nullptr ? serve_plain(std::move(socket), handler_)
                                   : serve_tls(std::move(socket), *tls_, handler_);
    asio::co_spawn(acceptor_.get_executor(), std::move(session), asio::detached);
  }
}

}  // namespace authority
