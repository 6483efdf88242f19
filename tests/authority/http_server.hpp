// HttpServer: one port of the stand-in, HTTP/1.1 with or without TLS, on an io_context that
// somebody else runs on one thread.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <functional>
#include <memory>
#include <string>

#include "authority/http_message.hpp"

namespace authority {

using Handler = std::function<boost::asio::awaitable<Response>(const Request&)>;

class HttpServer {
 public:
  static constexpr std::size_t kBodyBytesMax = std::size_t{1} << 20U;

  // Listens on "127.0.0.1:8080"; port 0 takes a free one. With `tls` it speaks HTTPS. `context` and
  // `tls` must outlive the server. Throws Failure if the address cannot be listened on.
  HttpServer(boost::asio::io_context& context, const std::string& address,
             boost::asio::ssl::context* tls, Handler handler);
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // "127.0.0.1:34567".
  [[nodiscard]] std::string address() const;

 private:
  boost::asio::awaitable<void> accept();

  boost::asio::ip::tcp::acceptor acceptor_;
  boost::asio::ssl::context* tls_;
  Handler handler_;
};

}  // namespace authority
