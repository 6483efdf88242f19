// api_handler.hpp: the institutions' API over HTTP: who calls, which route, what every answer has
// in common. It must not know any resource.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <string>

#include "server/api/api_stats.hpp"
#include "server/api/caller_cache.hpp"
#include "server/api/rate_limiter.hpp"
#include "server/api/router.hpp"
#include "server/http_connection.hpp"
#include "server/platform_config.hpp"

namespace server {

// What the handlers of all workers share. All of it may be used by any thread.
struct ApiCommon {
  const ApiConfig& config;
  const Router& router;
  CallerCache& callers;
  RateLimiter& limiter;
  RateLimiter& failures;  // a certificate's requests for what is not there: the brake on guessing
  ApiStats& stats;
  std::function<pki::Time()> clock;
};

// One a worker. A request becomes a coroutine on the connection's executor:
//   token in the address? → route → caller, by the certificate of this connection and nothing else
//   → rate limits → role → query, key, body → the route's own coroutine → the answer.
// Where the body comes later than the header, route, caller and role are looked at first, too.
class ApiHandler final : public HttpHandler {
 public:
  ApiHandler(const ApiCommon& common, unsigned worker) : common_(common), worker_(worker) {}

  void handle(const HttpRequest& request, HttpConnection& connection) override;
  // Not without permission, nor for what is not there.
  [[nodiscard]] bool wants_body(const HttpRequest& request, HttpConnection& connection) override;
  [[nodiscard]] HttpRefusal refused(unsigned status, const PeerCertificate* peer) override;
  [[nodiscard]] std::optional<std::uint32_t> body_bytes_max(Method method,
                                                            std::string_view target) override;

 private:
  struct Exchange;
  boost::asio::awaitable<void> serve(const HttpRequest& request,
                                     std::shared_ptr<HttpConnection> connection);
  boost::asio::awaitable<void> look_at_head(const HttpRequest& request,
                                            std::shared_ptr<HttpConnection> connection);
  boost::asio::awaitable<void> answer(const HttpRequest& request, HttpConnection& connection,
                                      Exchange& exchange, ApiResponse& response);
  [[nodiscard]] const Route& find_route(const HttpRequest& request, Exchange& exchange,
                                        ApiRequest& out) const;
  boost::asio::awaitable<void> admit(const PeerCertificate* peer, const Route& route,
                                     Exchange& exchange, ApiRequest& out) const;
  boost::asio::awaitable<void> still_admit(const PeerCertificate* peer, const Route& route) const;
  [[nodiscard]] boost::asio::awaitable<std::optional<Caller>> find_caller(
      const PeerCertificate* peer) const;
  void charge_caller(const Caller& caller, const PeerCertificate& peer, Exchange& exchange) const;
  void charge(Exchange& exchange, const std::string& party) const;
  void brake(const Exchange& exchange, const PeerCertificate& peer) const;
  void count_wrong_guess(const PeerCertificate* peer, const Exchange& exchange) const;
  [[nodiscard]] ApiResponse render(const Problem& problem, const Exchange& exchange) const;
  [[nodiscard]] ApiResponse render_current_exception(const Exchange& exchange) const;
  void conclude(const HttpRequest& request, HttpConnection& connection, Exchange& exchange,
                ApiResponse response) const;
  void respond(const HttpRequest& request, HttpConnection& connection, const Exchange& exchange,
               ApiResponse response) const;
  // What every answer has.
  [[nodiscard]] std::string head_of(std::string_view request_id, std::string_view cache_control,
                                    const RateLimiter::Verdict& limit) const;
  [[nodiscard]] std::string headers(const HttpRequest& request, const Exchange& exchange,
                                    const ApiResponse& response) const;

  const ApiCommon& common_;
  const unsigned worker_;
};

}  // namespace server
