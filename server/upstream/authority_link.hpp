// authority_link.hpp: what all clients of the authority share, whatever thread they are on: where
// it is, whom to trust, how it has behaved, what was counted.
#pragma once

#include <boost/asio/ssl/context.hpp>
#include <cstdint>
#include <string>

#include "libpki/asn1_time.hpp"
#include "server/platform_config.hpp"
#include "server/upstream/authority_stats.hpp"
#include "server/upstream/circuit_breaker.hpp"

namespace server {

// "https://authority.example:7443/base" in its parts.
struct AuthorityAddress {
  std::string host;    // without the brackets of IPv6
  std::string port;    // "443" if none was given
  std::string prefix;  // "/base", or empty
  bool is_numeric = false;
  std::string authority;  // "authority.example:7443": the Host field, and for messages
};
// Throws std::invalid_argument that says what is wrong.
[[nodiscard]] AuthorityAddress parse_authority_url(const std::string& url);

class AuthorityLink {
 public:
  // Reads the certificates and the key, once. `clients` share the connections of the configuration
  // in equal parts, at least one each. Throws std::runtime_error that names the file.
  AuthorityLink(const AuthorityConfig& config, std::uint32_t clients);
  AuthorityLink(const AuthorityLink&) = delete;
  AuthorityLink& operator=(const AuthorityLink&) = delete;

  [[nodiscard]] const AuthorityConfig& config() const { return config_; }
  [[nodiscard]] const AuthorityAddress& address() const { return address_; }
  [[nodiscard]] std::uint32_t connections_per_client() const;
  [[nodiscard]] std::uint32_t queue_per_client() const;

  // TLS 1.2 or later, our certificate, the authority's trust anchors, received octets wiped. Only
  // read after construction.
  [[nodiscard]] boost::asio::ssl::context& tls() { return tls_; }
  // When our certificate ends.
  [[nodiscard]] pki::Time certificate_end() const { return certificate_end_; }

  CircuitBreaker breaker;
  RetryBudget retries;
  AuthorityStats stats;

 private:
  const AuthorityConfig config_;
  const AuthorityAddress address_;
  const std::uint32_t clients_;
  boost::asio::ssl::context tls_;
  const pki::Time certificate_end_;
};

}  // namespace server
