// OcspClient posts OCSP requests to one address, over one connection that is kept open.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <string>

#include "authority/der_emitter.hpp"

namespace authority {

class OcspClient {
 public:
  // "http://127.0.0.1:8080/ocsp": numeric host, no TLS. Throws Failure on anything else.
  explicit OcspClient(const std::string& url);
  ~OcspClient();
  OcspClient(const OcspClient&) = delete;
  OcspClient& operator=(const OcspClient&) = delete;

  // The body of the answer. Connects when needed, and once more if the server had closed. Throws
  // Failure if the server can't be reached, is silent for ten seconds, or its status is not 200.
  [[nodiscard]] boost::asio::awaitable<Octets> post(const Octets& body);

 private:
  struct Connection;

  [[nodiscard]] boost::asio::awaitable<bool> exchange(const Octets& body, Octets& answer);

  std::string host_;
  std::uint16_t port_ = 80;
  std::string target_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace authority
