// route.hpp: one address of the API, what it needs, and who answers it. The rest of server/api does
// what all have in common: the caller, the body, problems, headers.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libpki/asn1_time.hpp"
#include "server/http_message.hpp"
#include "server/store/institutions.hpp"

namespace server {

// A request that was let through: the caller is registered, active and has the role; the body, if
// the route takes one, is strict JSON.
struct ApiRequest {
  Caller caller;  // of public routes: empty
  Thumbprint thumbprint{};
  pki::Time certificate_not_after;
  pki::Time now;  // taken once for all that the request does
  std::string request_id;
  unsigned worker = 0;  // whose thread this is, from 0: for what each worker has of its own
  std::vector<std::string> path;             // what the pattern's {} stood for
  std::map<std::string, std::string> query;  // decoded; a name that is there twice is refused
  nlohmann::json body;                       // null without one
  std::string body_sha256;                   // 32 octets, with method and target: for idempotency
  std::string idempotency_key;
  std::string authorization;
  std::string if_match;
  std::string accept_language;
  // The client has gone: what waits may stop. Set by the HTTP layer; see
  // HttpConnection::on_peer_gone.
  std::function<void(std::function<void()>)> on_peer_gone;
};

struct ApiResponse {
  unsigned status = 200;
  nlohmann::ordered_json body;  // null: no body
  std::string text;             // instead of `body`: finished JSON, or `media_type`
  std::string_view media_type = "application/json";  // of a constant, as cache_control
  std::string etag;                                  // with quotation marks
  std::string location;
  std::string_view cache_control = "no-store";
  std::optional<std::uint32_t> retry_after_seconds;
  // Of several things asked for at once, one or more are not there, or are somebody else's. However
  // many they are: lists and tokens grow old.
  bool has_wrong_guess = false;
};

struct Route {
  enum class Access : std::uint8_t { everybody, any_role, poller, query, consent_admin };
  enum class Key : std::uint8_t { none, optional, required };  // of Idempotency-Key
  enum class Body : std::uint8_t { none, json, large_json };   // the last: batch_bytes_max

  Method method = Method::get;
  std::string pattern;  // "/v1/consents/{}/withdrawal"
  Access access = Access::any_role;
  Body body = Body::none;
  Key key = Key::none;
  std::vector<std::string> query;  // names that it takes; others are refused
  // Runs on the connection's thread; throws Problem.
  std::function<boost::asio::awaitable<ApiResponse>(ApiRequest&)> answer;
};

}  // namespace server
