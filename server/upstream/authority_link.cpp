#include "server/upstream/authority_link.hpp"

#include <fmt/format.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <stdexcept>

namespace server {

namespace asio = boost::asio;
using asio::ssl::context;
using boost::system::error_code;

namespace {

void check(const error_code& ec, const char* key, const std::filesystem::path& file) {
  if (!ec) return;
  throw std::runtime_error(
      fmt::format("[authority] `{}`: cannot use {}: {}", key, file.string(), ec.message()));
}

context make_tls(const AuthorityConfig& config) {
  context tls(context::tls_client);
  tls.set_options(context::no_sslv2 | context::no_sslv3 | context::no_tlsv1 | context::no_tlsv1_1 |
                  context::no_compression);
  // What was decrypted does not stay in OpenSSL's buffers.
  SSL_CTX_set_options(tls.native_handle(), SSL_OP_CLEANSE_PLAINTEXT | SSL_OP_NO_RENEGOTIATION);
  tls.set_verify_mode(asio::ssl::verify_peer);
  error_code ec;
  tls.load_verify_file(config.ca.string(), ec);
  check(ec, "ca", config.ca);
  tls.use_certificate_chain_file(config.certificate.string(), ec);
  check(ec, "certificate", config.certificate);
  tls.use_private_key_file(config.key.string(), context::pem, ec);
  check(ec, "key", config.key);
  if (SSL_CTX_check_private_key(tls.native_handle()) != 1) {
    throw std::runtime_error(fmt::format("[authority] `key`: {} is not the key of {}",
                                         config.key.string(), config.certificate.string()));
  }
  return tls;
}

pki::Time end_of_certificate(context& tls) {
  std::tm parts{};
  const X509* const own = SSL_CTX_get0_certificate(tls.native_handle());
  if (ASN1_TIME_to_tm(X509_get0_notAfter(own), &parts) != 1) return {};
  return pki::Time{std::chrono::seconds{::timegm(&parts)}};
}

std::uint32_t share(std::uint32_t total, std::uint32_t clients) {
  return std::max(1U, (total + clients - 1) / clients);
}

}  // namespace

AuthorityAddress parse_authority_url(const std::string& url) {
  constexpr std::string_view kScheme = "https://";
  const auto fail = [&] {
    throw std::invalid_argument(fmt::format(
        "[authority] `url`: {} is no address like \"https://authority.example:7443\"", url));
  };
  if (!url.starts_with(kScheme)) fail();
  const std::string_view rest = std::string_view(url).substr(kScheme.size());
  AuthorityAddress out;
  out.authority = rest.substr(0, rest.find('/'));
  if (rest.find('/') != std::string_view::npos) out.prefix = rest.substr(rest.find('/'));
  while (out.prefix.ends_with('/')) out.prefix.pop_back();
  std::string_view host = out.authority;
  const std::size_t bracket = host.rfind(']');
  const std::size_t colon = host.rfind(':');
  if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket)) {
    out.port = host.substr(colon + 1);
    host = host.substr(0, colon);
  } else {
    out.port = "443";
  }
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const bool is_port = !out.port.empty() && out.port.size() <= 5 &&
                       out.port.find_first_not_of("0123456789") == std::string::npos &&
                       std::stoul(out.port) - 1 < 65535;
  if (host.empty() || !is_port || host.find_first_of("@?#[]") != std::string_view::npos) fail();
  out.host = host;
  error_code ec;
  asio::ip::make_address(out.host, ec);
  out.is_numeric = !ec;
  return out;
}

AuthorityLink::AuthorityLink(const AuthorityConfig& config, std::uint32_t clients)
    : breaker(config.breaker_failures, config.breaker_pause),
      config_(config),
      address_(parse_authority_url(config.url)),
      clients_(std::max(1U, clients)),
      tls_(make_tls(config)),
      certificate_end_(end_of_certificate(tls_)) {}

std::uint32_t AuthorityLink::connections_per_client() const {
  return share(config_.connections, clients_);
}

std::uint32_t AuthorityLink::queue_per_client() const {
  return share(config_.queue_max, clients_);
}

}  // namespace server
