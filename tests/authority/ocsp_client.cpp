#include "authority/ocsp_client.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/vector_body.hpp>
#include <boost/beast/http/write.hpp>
#include <charconv>

#include "authority/failure.hpp"

namespace authority {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using OctetsBody = http::vector_body<std::uint8_t>;

constexpr auto kQuiet = asio::as_tuple(asio::use_awaitable);
constexpr std::chrono::seconds kPatience{10};

}  // namespace

struct OcspClient::Connection {
  explicit Connection(const asio::any_io_executor& executor) : stream(executor) {}

  beast::tcp_stream stream;
  beast::flat_buffer buffer;
};

OcspClient::OcspClient(const std::string& url) {
  constexpr std::string_view kScheme = "http://";
  const Failure fault(std::string("'").append(url).append(
      "' is no address of a responder; write http://127.0.0.1:8080/ocsp"));
  if (!url.starts_with(kScheme)) throw fault;
  const std::size_t slash = std::min(url.find('/', kScheme.size()), url.size());
  const std::string authority = url.substr(kScheme.size(), slash - kScheme.size());
  const std::size_t colon = std::min(authority.rfind(':'), authority.size());
  host_ = authority.substr(0, colon);
  target_ = slash == url.size() ? "/" : url.substr(slash);
  if (colon == authority.size()) return;
  const char* const end = authority.data() + authority.size();
  const auto [stop, error] = std::from_chars(authority.data() + colon + 1, end, port_);
  if (error != std::errc{} || stop != end) throw fault;
}

OcspClient::~OcspClient() = default;

asio::awaitable<Octets> OcspClient::post(const Octets& body) {
  Octets answer;
  const bool fresh = connection_ == nullptr;
  bool answered = co_await exchange(body, answer);
  if (!answered && !fresh) answered = co_await exchange(body, answer);
  if (!answered) {
    throw Failure(std::string("no answer from the responder at ").append(host_).append(":") +
                  std::to_string(port_));
  }
  co_return answer;
}

asio::awaitable<bool> OcspClient::exchange(const Octets& body, Octets& answer) {
  if (!connection_) {
    connection_ = std::make_unique<Connection>(co_await asio::this_coro::executor);
    connection_->stream.expires_after(kPatience);
    boost::system::error_code refused;
    const tcp::endpoint endpoint(asio::ip::make_address(host_, refused), port_);
    if (refused) throw Failure(host_ + " is no numeric address of a responder");
    const auto [ec] = co_await connection_->stream.async_connect(endpoint, kQuiet);
    if (ec) {
      connection_.reset();
      co_return false;
    }
    connection_->stream.socket().set_option(tcp::no_delay(true));
  }
  http::request<OctetsBody> request(http::verb::post, target_, 11);
  request.set(http::field::host, host_);
  request.set(http::field::content_type, "application/ocsp-request");
  request.body() = body;
  request.prepare_payload();
  http::response<OctetsBody> response;
  connection_->stream.expires_after(kPatience);
  const auto [write_error, written] =
      co_await http::async_write(connection_->stream, request, kQuiet);
  auto error = write_error;
  if (!error) {
    const auto [read_error, read] =
        co_await http::async_read(connection_->stream, connection_->buffer, response, kQuiet);
    error = read_error;
  }
  if (error || !response.keep_alive()) connection_.reset();
  if (error) co_return false;
  if (response.result_int() != 200) {
    throw Failure("the responder answers with HTTP status " +
                  std::to_string(response.result_int()));
  }
  answer = std::move(response.body());
  co_return true;
}

}  // namespace authority
