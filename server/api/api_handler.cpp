#include "server/api/api_handler.hpp"

#include <cxxabi.h>
#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>

#include "server/api/api_request.hpp"
#include "server/api/request_target.hpp"
#include "server/log.hpp"
#include "server/platform/problem_body.hpp"
#include "server/store/database.hpp"

namespace server {

namespace asio = boost::asio;

namespace {

constexpr std::uint32_t kUnwantedBodyBytesMax = 8192;  // read, so that the answer can say so
constexpr std::chrono::seconds kDatabaseRetry{2};
constexpr std::chrono::seconds kPermissionAge{1};  // after which it is looked at again

std::optional<std::chrono::seconds> retry_after(const Problem& problem) {
  if (problem.retry_after()) return problem.retry_after();
  switch (problem.kind()) {
    case ProblemKind::database_unavailable: return kDatabaseRetry;
    case ProblemKind::authority_unavailable: return std::chrono::seconds(10);
    case ProblemKind::status_stale: return std::chrono::seconds(60);
    case ProblemKind::rate_limited:
    case ProblemKind::too_many_waiters:
    case ProblemKind::idempotency_in_progress:
    case ProblemKind::overloaded: return std::chrono::seconds(1);
    default: return std::nullopt;
  }
}

std::string type_name(const std::exception& error) {
  int status = 0;
  char* name = abi::__cxa_demangle(typeid(error).name(), nullptr, nullptr, &status);
  std::string out = status == 0 ? name : "unknown";
  std::free(name);
  return out;
}

// A JSON library's messages quote what they stumble over, which may be anybody's data.
std::string safe_text(const std::exception& error) {
  return dynamic_cast<const nlohmann::json::exception*>(&error) != nullptr ? "" : error.what();
}

// What there is to say to what did not become a request.
std::string_view refusal_detail(ProblemKind kind) {
  switch (kind) {
    case ProblemKind::invalid_request:
      return "This is not an HTTP request that can be answered: its framing is wrong, or a header "
             "field that may come once came twice.";
    case ProblemKind::rate_limited:
      return "This certificate has as many connections as it may. Use those again, or close some.";
    case ProblemKind::overloaded:
      return "Bodies of too many requests are on their way. Nothing was done.";
    default: return "";
  }
}

std::string thumbprint_party(const PeerCertificate* peer) {
  return peer == nullptr ? std::string("nobody") : pki::to_hex(peer->thumbprint);
}

// Was something named that is not there, or that is no token? So does one who guesses.
bool is_wrong_guess(ProblemKind kind) {
  return kind == ProblemKind::not_found || kind == ProblemKind::token_invalid;
}

// There is an answer whatever happens; only where it can't be made, for want of memory, there is
// none.
auto abort_if_failed(const std::shared_ptr<HttpConnection>& connection) {
  return [connection](const std::exception_ptr& error) {
    if (!error) return;
    log(Level::error, "answer_failed");
    connection->abort();
  };
}

}  // namespace

// One request on its way, and what its answer will have.
struct ApiHandler::Exchange {
  std::chrono::steady_clock::time_point started = std::chrono::steady_clock::now();
  std::string request_id = make_request_id();
  std::optional<std::size_t> route;
  std::string allow;
  std::optional<RateLimiter::Verdict> limit;
  std::string institution_id;
};

std::optional<std::uint32_t> ApiHandler::body_bytes_max(Method method, std::string_view target) {
  const Router::Match match = common_.router.find(method, target);
  if (!match.route) return kUnwantedBodyBytesMax;
  switch (common_.router.routes()[*match.route].body) {
    case Route::Body::none: return kUnwantedBodyBytesMax;
    case Route::Body::json: return common_.config.request_bytes_max;
    case Route::Body::large_json: return common_.config.batch_bytes_max;
  }
  return std::nullopt;
}

void ApiHandler::handle(const HttpRequest& request, HttpConnection& connection) {
  const auto alive = connection.shared_from_this();
  asio::co_spawn(connection.executor(), serve(request, alive), abort_if_failed(alive));
}

bool ApiHandler::wants_body(const HttpRequest& request, HttpConnection& connection) {
  const auto alive = connection.shared_from_this();
  asio::co_spawn(connection.executor(), look_at_head(request, alive), abort_if_failed(alive));
  return false;
}

asio::awaitable<void> ApiHandler::look_at_head(const HttpRequest& request,
                                               std::shared_ptr<HttpConnection> connection) {
  Exchange exchange;
  std::optional<ApiResponse> refusal;
  try {
    ApiRequest out;
    const Route& route = find_route(request, exchange, out);
    if (route.access != Route::Access::everybody) {
      const auto caller = co_await find_caller(connection->peer());
      const auto problem = refusal_of(caller, route.access);
      if (problem && caller) charge_caller(*caller, *connection->peer(), exchange);
      if (problem) throw Problem(*problem);
    }
  } catch (const Problem& problem) {
    if (is_wrong_guess(problem.kind())) count_wrong_guess(connection->peer(), exchange);
    refusal = render(problem, exchange);
  } catch (const std::exception&) {  // the request as a whole will tell
  }
  if (!refusal) {
    connection->read_body();
  } else {
    conclude(request, *connection, exchange, *std::move(refusal));
  }
}

asio::awaitable<void> ApiHandler::serve(const HttpRequest& request,
                                        std::shared_ptr<HttpConnection> connection) {
  Exchange exchange;
  ApiResponse response;
  try {
    co_await answer(request, *connection, exchange, response);
    if (response.has_wrong_guess) count_wrong_guess(connection->peer(), exchange);
  } catch (const Problem& problem) {
    if (is_wrong_guess(problem.kind())) count_wrong_guess(connection->peer(), exchange);
    response = render(problem, exchange);
  } catch (...) {
    response = render_current_exception(exchange);
  }
  conclude(request, *connection, exchange, std::move(response));
}

// Whoever was not let in pays, too, from a bucket of their certificate's own.
void ApiHandler::conclude(const HttpRequest& request, HttpConnection& connection,
                          Exchange& exchange, ApiResponse response) const {
  if (!exchange.limit) {
    try {
      charge(exchange, thumbprint_party(connection.peer()));
    } catch (const Problem& problem) {
      response = render(problem, exchange);
    }
  }
  respond(request, connection, exchange, std::move(response));
}

// A long poll stays here for a minute, and thousands of them: g++ keeps every variable of a
// coroutine in its frame, so what is needed for a moment only is in functions of its own.
asio::awaitable<void> ApiHandler::answer(const HttpRequest& request, HttpConnection& connection,
                                         Exchange& exchange, ApiResponse& response) {
  ApiRequest out;
  const Route& route = find_route(request, exchange, out);
  out.request_id = exchange.request_id;
  out.worker = worker_;
  out.now = common_.clock();
  const bool is_public = route.access == Route::Access::everybody;
  if (!is_public) co_await admit(connection.peer(), route, exchange, out);
  read_request(request, route, out);
  out.on_peer_gone = [weak = connection.weak_from_this()](std::function<void()> gone) {
    if (const auto alive = weak.lock()) alive->on_peer_gone(std::move(gone));
  };
  response = co_await route.answer(out);
  // What took its time, a long poll above all, may have outlived the caller's permission.
  if (!is_public && std::chrono::steady_clock::now() - exchange.started > kPermissionAge) {
    co_await still_admit(connection.peer(), route);
  }
}

const Route& ApiHandler::find_route(const HttpRequest& request, Exchange& exchange,
                                    ApiRequest& out) const {
  if (has_token_in_query(request.target)) {
    throw Problem(ProblemKind::token_in_url,
                  "Send the token in the Authorization header. This one should be replaced: "
                  "addresses are written to logs on their way.");
  }
  Router::Match match = common_.router.find(request.method, request.target);
  exchange.route = match.route;
  if (!match.route) {
    exchange.allow = std::move(match.allow);
    throw Problem(exchange.allow.empty() ? ProblemKind::not_found
                                         : ProblemKind::method_not_allowed);
  }
  out.path = std::move(match.path);
  return common_.router.routes()[*match.route];
}

asio::awaitable<std::optional<Caller>> ApiHandler::find_caller(const PeerCertificate* peer) const {
  if (peer == nullptr) co_return std::nullopt;
  co_return co_await common_.callers.find(peer->thumbprint, std::chrono::steady_clock::now());
}

asio::awaitable<void> ApiHandler::admit(const PeerCertificate* peer, const Route& route,
                                        Exchange& exchange, ApiRequest& out) const {
  auto caller = co_await find_caller(peer);
  if (caller) charge_caller(*caller, *peer, exchange);
  if (const auto problem = refusal_of(caller, route.access)) throw Problem(*problem);
  if (peer->not_after < out.now) {
    throw Problem(ProblemKind::client_certificate_revoked,
                  "The certificate has ended since this connection was made.");
  }
  out.thumbprint = peer->thumbprint;
  out.certificate_not_after = peer->not_after;
  out.caller = *std::move(caller);
}

asio::awaitable<void> ApiHandler::still_admit(const PeerCertificate* peer,
                                              const Route& route) const {
  const auto caller = co_await find_caller(peer);
  if (const auto problem = refusal_of(caller, route.access)) throw Problem(*problem);
}

// Whether let in or not.
void ApiHandler::charge_caller(const Caller& caller, const PeerCertificate& peer,
                               Exchange& exchange) const {
  exchange.institution_id = caller.institution_id;
  charge(exchange, caller.institution_id);
  brake(exchange, peer);
}

void ApiHandler::charge(Exchange& exchange, const std::string& party) const {
  exchange.limit = common_.limiter.take(party, exchange.started);
  if (!exchange.limit->is_allowed) {
    throw Problem(ProblemKind::rate_limited,
                  fmt::format("At most {} requests a second, with bursts of {}.",
                              common_.config.requests_per_second, common_.limiter.burst()));
  }
}

void ApiHandler::count_wrong_guess(const PeerCertificate* peer, const Exchange& exchange) const {
  (void)common_.failures.take(thumbprint_party(peer), exchange.started);
}

// All that a certificate asks waits then, so that nothing can be learnt from what is refused.
void ApiHandler::brake(const Exchange& exchange, const PeerCertificate& peer) const {
  if (common_.failures.has_left(thumbprint_party(&peer), exchange.started)) return;
  throw Problem(ProblemKind::rate_limited,
                fmt::format("With this certificate too much was asked for that is not there: more "
                            "than {} such requests in {} seconds.",
                            common_.failures.burst(), RateLimiter::kBurstSeconds));
}

ApiResponse ApiHandler::render(const Problem& problem, const Exchange& exchange) const {
  common_.stats.count_problem(problem.kind());
  ApiResponse out;
  out.status = problem_type(problem.kind()).status;
  out.media_type = kProblemMediaType;
  out.body = problem_json(problem, common_.config.base_url, exchange.request_id);
  if (const auto wait = retry_after(problem)) {
    out.retry_after_seconds = static_cast<std::uint32_t>(wait->count());
  }
  const bool is_refusal = out.status == 401 || out.status == 403;
  if (is_refusal || out.status >= 500) {
    log(out.status >= 500 ? Level::warning : Level::info, "request_refused",
        {{"request_id", exchange.request_id},
         {"code", problem_type(problem.kind()).slug},
         {"route", exchange.route ? common_.router.routes()[*exchange.route].pattern : ""},
         {"institution", exchange.institution_id}});
  }
  return out;
}

// Called in a catch block.
ApiResponse ApiHandler::render_current_exception(const Exchange& exchange) const {
  std::string type = "unknown";
  std::string text;
  try {
    throw;
  } catch (const Problem& problem) {
    return render(problem, exchange);
  } catch (const DatabaseUnavailable&) {  // the pool has logged why
    return render(Problem(ProblemKind::database_unavailable,
                          "It is not known whether this was done. Try again, with the same "
                          "Idempotency-Key, if there was one."),
                  exchange);
  } catch (const Conflict&) {
    return render(Problem(ProblemKind::overloaded,
                          "Others were changing the same things. Nothing was done; try again."),
                  exchange);
  } catch (const std::exception& error) {
    type = type_name(error);
    text = safe_text(error);
  } catch (...) {  // no exception of ours; what it was is not known
  }
  log(Level::error, "request_failed",
      {{"request_id", exchange.request_id}, {"type", type}, {"error", text}});
  return render(
      Problem(ProblemKind::internal_error, "The fault is ours. Tell the operator the request id."),
      exchange);
}

std::string ApiHandler::head_of(std::string_view request_id, std::string_view cache_control,
                                const RateLimiter::Verdict& limit) const {
  return fmt::format(
      "X-Request-Id: {}\r\nCache-Control: {}\r\nX-Content-Type-Options: nosniff\r\n"
      "RateLimit-Policy: \"requests\";q={};w={}\r\nRateLimit: \"requests\";r={};t={}\r\n",
      request_id, cache_control, common_.limiter.burst(), RateLimiter::kBurstSeconds,
      limit.remaining, limit.reset_seconds);
}

std::string ApiHandler::headers(const HttpRequest& request, const Exchange& exchange,
                                const ApiResponse& response) const {
  std::string out = head_of(exchange.request_id, response.cache_control, *exchange.limit);
  const auto add = [&](std::string_view name, std::string_view value) {
    if (!value.empty()) out += fmt::format("{}: {}\r\n", name, value);
  };
  if (response.status != 204 && response.status != 304) add("Content-Type", response.media_type);
  add("X-Client-Request-Id", echoed_request_id(request.client_request_id));
  add("ETag", response.etag);
  add("Location", response.location);
  add("Allow", exchange.allow);
  if (response.retry_after_seconds) {
    add("Retry-After", std::to_string(*response.retry_after_seconds));
  }
  if (response.status == 401) {
    const bool had_token = bearer_token(request.authorization).has_value();
    add("WWW-Authenticate", had_token ? R"(Bearer error="invalid_token")" : "Bearer");
  }
  if (response.media_type.starts_with("text/html")) {
    add("Content-Security-Policy",
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'");
    add("Vary", "Accept-Language");
    add("Referrer-Policy", "no-referrer");
  }
  return out;
}

void ApiHandler::respond(const HttpRequest& request, HttpConnection& connection,
                         const Exchange& exchange, ApiResponse response) const {
  const bool is_read = request.method == Method::get || request.method == Method::head;
  if (is_read && response.status == 200 && !response.etag.empty() &&
      names_etag(request.if_none_match, response.etag)) {
    response.status = 304;
  }
  const std::string body =
      !response.text.empty() ? std::move(response.text)
      : response.body.is_null()
          ? std::string()
          : response.body.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  const std::string lines = headers(request, exchange, response);
  common_.stats.count(exchange.route, response.status,
                      std::chrono::steady_clock::now() - exchange.started);
  connection.respond({response.status, lines, pki::as_bytes(body)});
}

HttpRefusal ApiHandler::refused(unsigned status, const PeerCertificate* peer) {
  const ProblemKind kind = status == 408   ? ProblemKind::request_timeout
                           : status == 413 ? ProblemKind::payload_too_large
                           : status == 429 ? ProblemKind::rate_limited
                           : status == 431 ? ProblemKind::header_too_large
                           : status == 503 ? ProblemKind::overloaded
                           : status >= 500 ? ProblemKind::internal_error
                                           : ProblemKind::invalid_request;
  const std::string id = make_request_id();
  common_.stats.count_problem(kind);
  common_.stats.count(std::nullopt, problem_type(kind).status, {});
  const Problem problem(kind, std::string(refusal_detail(kind)));
  const auto limit = common_.limiter.take(thumbprint_party(peer), std::chrono::steady_clock::now());
  std::string headers = head_of(id, "no-store", limit);
  headers += fmt::format("Content-Type: {}\r\n", kProblemMediaType);
  if (const auto wait = retry_after(problem)) {
    headers += fmt::format("Retry-After: {}\r\n", wait->count());
  }
  return {std::move(headers), problem_json(problem, common_.config.base_url, id).dump()};
}

}  // namespace server
