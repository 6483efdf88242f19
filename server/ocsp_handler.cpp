#include "server/ocsp_handler.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>

#include "libpki/ocsp_get.hpp"
#include "server/wall_clock.hpp"

namespace server {
namespace {

constexpr std::string_view kNoStore =
    "Content-Type: application/ocsp-response\r\nCache-Control: no-store\r\n";
constexpr std::string_view kNoStoreText = "Content-Type: text/plain\r\nCache-Control: no-store\r\n";

// Does one of the entity tags in an If-None-Match field mean `etag`? Weak comparison, as RFC
// 9110 13.1.2 asks.
bool none_match_hits(std::string_view field, std::string_view etag) {
  while (!field.empty()) {
    const std::size_t comma = std::min(field.find(','), field.size());
    std::string_view tag = field.substr(0, comma);
    field.remove_prefix(std::min(comma + 1, field.size()));
    while (!tag.empty() && (tag.front() == ' ' || tag.front() == '\t')) tag.remove_prefix(1);
    while (!tag.empty() && (tag.back() == ' ' || tag.back() == '\t')) tag.remove_suffix(1);
    if (tag.starts_with("W/")) tag.remove_prefix(2);
    if (tag == "*" || tag == etag) return true;
  }
  return false;
}

}  // namespace

OcspHandler::OcspHandler(const IssuerSet& issuers, const OcspConfig& config,
                         std::chrono::seconds clock_skew, SigningPool& pool, WorkerStats& stats)
    : issuers_(issuers),
      config_(config),
      pool_(pool),
      stats_(stats),
      service_(issuers, config, clock_skew) {}

// /ocsp and /ocsp/<issuer name>, with what a GET asks behind either. A name goes before base64: it
// is the operator's choice, and base64 of a request has no second segment that begins with a
// request.
std::optional<OcspHandler::Route> OcspHandler::route(std::string_view target) const {
  if (const std::size_t scheme = target.find("://");
      scheme != std::string_view::npos && !target.starts_with('/')) {
    const std::size_t path = target.find('/', scheme + 3);
    target = path == std::string_view::npos ? "/" : target.substr(path);  // absolute-form
  }
  target = target.substr(0, std::min(target.find('?'), target.size()));
  constexpr std::string_view kAddress = "/ocsp";
  while (target.starts_with("//")) target.remove_prefix(1);
  if (!target.starts_with(kAddress)) return std::nullopt;
  target.remove_prefix(kAddress.size());
  if (target.empty()) return Route{};
  if (target.front() != '/') return std::nullopt;
  target.remove_prefix(1);
  const std::string_view segment = target.substr(0, std::min(target.find('/'), target.size()));
  if (const auto issuer = issuers_.find(segment)) {
    const std::size_t taken = std::min(segment.size() + 1, target.size());
    return Route{static_cast<std::uint32_t>(*issuer), target.substr(taken)};
  }
  return Route{kEveryIssuer, target};
}

void OcspHandler::handle(const HttpRequest& request, HttpConnection& connection) {
  const auto to = route(request.target);
  if (!to) {
    return refuse(connection, 404, kNoStoreText, "OCSP is at /ocsp and /ocsp/<issuer name>\n");
  }
  if (request.method == Method::put || request.method == Method::other) {
    return refuse(connection, 405,
                  "Allow: GET, HEAD, POST\r\nContent-Type: text/plain\r\n"
                  "Cache-Control: no-store\r\n",
                  "OCSP is asked by GET or POST\n");
  }
  if (request.method == Method::post) {
    const bool no_issuer = !to->rest.empty() && to->rest != "/";
    if (no_issuer) return refuse(connection, 404, kNoStoreText, "there is no such issuer\n");
    if (!request.content_type.empty() && request.content_type != "application/ocsp-request") {
      return refuse(connection, 415,
                    "Accept-Post: application/ocsp-request\r\nContent-Type: text/plain\r\n"
                    "Cache-Control: no-store\r\n",
                    "send Content-Type: application/ocsp-request\n");
    }
  }
  answer(request, connection, *to);
}

void OcspHandler::answer(const HttpRequest& request, HttpConnection& connection,
                         const Route& route) {
  const auto started = Clock::now();
  pki::Bytes question = pki::as_bytes(request.body);
  bool readable = true;
  if (request.method != Method::post) {
    readable = pki::decode_ocsp_get(route.rest, decoded_).has_value() &&
               decoded_.size() <= config_.request_bytes_max;
    question = decoded_;
  }
  const pki::Time now = wall_clock();
  std::optional<OcspService::Answer> answer;
  if (readable) {
    answer = service_.answer(question, route.scope, now, OcspService::Signing::fast_only);
    if (!answer) return answer_later(question, route.scope, request, connection);
  } else {
    answer = {
        Outcome::malformed, pki::error_response(pki::ResponseStatus::malformed_request), {}, false};
  }
  respond(request, connection, *answer, now);
  if (answer->was_cached) stats_.count_cache_hit();
  stats_.count(answer->outcome, Clock::now() - started);
}

// A slow signature is made by the pool; the connection waits, the worker does not.
void OcspHandler::answer_later(pki::Bytes question, std::uint32_t scope, const HttpRequest& request,
                               HttpConnection& connection) {
  const auto started = Clock::now();
  const auto finish = [this, started, &request,
                       self = connection.shared_from_this()](const OcspService::Answer& answer) {
    respond(request, *self, answer, wall_clock());
    stats_.count(answer.outcome, Clock::now() - started);
  };
  SigningPool::Job job;
  job.request = pki::to_vector(question);
  job.scope = scope;
  job.snapshot = service_.snapshot();
  job.done = [finish, self = connection.shared_from_this()](const OcspService::Answer& answer) {
    // The bytes are the pool's; take them along to the worker's thread.
    boost::asio::post(self->executor(), [finish, body = pki::to_vector(answer.body), answer] {
      finish({answer.outcome, body, answer.cached, false});
    });
  };
  if (!pool_.submit(std::move(job))) {
    finish({Outcome::try_later, pki::error_response(pki::ResponseStatus::try_later), {}, false});
  }
}

// RFC 9919 section 7 and RFC 9111: an answer is fresh until well before nextUpdate, and no longer
// than the operator wants to wait for a revocation to be seen.
void OcspHandler::write_freshness(pki::Time now, pki::Time next_update) {
  const std::int64_t left = (next_update - now).count();
  const std::int64_t usable = left - std::max<std::int64_t>(left / 10, 1);
  const std::int64_t seconds = std::clamp<std::int64_t>(usable, 0, config_.max_age.count());
  if (now != freshness_now_ || seconds != freshness_seconds_) {
    freshness_now_ = now;
    freshness_seconds_ = seconds;
    freshness_ = fmt::format(
        "Cache-Control: max-age={}, public, no-transform, must-revalidate\r\nExpires: {}\r\n",
        seconds, http_date(now.time_since_epoch().count() + seconds));
  }
  headers_ += freshness_;
}

void OcspHandler::respond(const HttpRequest& request, HttpConnection& connection,
                          const OcspService::Answer& answer, pki::Time now) {
  // Errors and answers with a nonce are for this client and this moment.
  if (!answer.cached) return connection.respond({200, kNoStore, answer.body});
  headers_ = answer.cached->headers;
  write_freshness(now, answer.cached->next_update);
  const bool not_modified = request.method != Method::post && !request.if_none_match.empty() &&
                            none_match_hits(request.if_none_match, answer.cached->etag);
  connection.respond({not_modified ? 304U : 200U, headers_, answer.body});
}

void OcspHandler::refuse(HttpConnection& connection, unsigned status, std::string_view headers,
                         std::string_view text) {
  stats_.count_refused(status);
  connection.respond({status, headers, pki::as_bytes(text)});
}

}  // namespace server
