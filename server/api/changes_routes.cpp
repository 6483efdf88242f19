#include "server/api/changes_routes.hpp"

#include <fmt/format.h>

#include <charconv>

#include "server/api/members.hpp"
#include "server/platform/problem.hpp"

namespace server {

namespace asio = boost::asio;

namespace {

// A number among the parameters. Throws Problem(value_out_of_range), as for any other text.
std::int64_t number(const ApiRequest& request, const std::string& name, std::int64_t min,
                    std::int64_t max, std::int64_t absent) {
  const auto found = request.query.find(name);
  if (found == request.query.end()) return absent;
  const std::string& text = found->second;
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < min || value > max) {
    throw Problem(ProblemKind::value_out_of_range, {},
                  {{name, "out_of_range", fmt::format("a whole number from {} to {}", min, max)}});
  }
  return value;
}

ChangesQuery changes_query(const ApiRequest& request) {
  ChangesQuery query;
  const auto cursor = request.query.find("cursor");
  if (cursor != request.query.end()) query.cursor = cursor->second;
  query.limit = static_cast<std::size_t>(
      number(request, "limit", 1, ChangesQuery::kLimitMax, static_cast<std::int64_t>(query.limit)));
  query.wait = std::chrono::seconds{number(request, "wait", 0, ChangesQuery::kWaitMax, 0)};
  return query;
}

ApiResponse json_text(std::string text) {
  ApiResponse response;
  response.text = std::move(text);
  return response;
}

asio::awaitable<ApiResponse> get_changes(ChangesService& service, ApiRequest& request) {
  const ChangesQuery query = changes_query(request);
  std::string text =
      co_await service.page(request.caller.institution_id, query, request.on_peer_gone);
  co_return json_text(std::move(text));
}

asio::awaitable<ApiResponse> put_acknowledgement(ChangesService& service, ApiRequest& request) {
  Members body(request.body);
  std::string cursor = body.text("cursor", {.max = 64});
  body.finish();
  co_await service.acknowledge(request.caller.institution_id, std::move(cursor), request.now);
  ApiResponse response;
  response.status = 204;
  co_return response;
}

}  // namespace

std::vector<Route> changes_routes(ChangesService& service) {
  std::vector<Route> routes(2);
  routes[0].method = Method::get;
  routes[0].pattern = "/v1/changes";
  routes[0].access = Route::Access::poller;
  routes[0].query = {"cursor", "limit", "wait"};
  routes[0].answer = [&service](ApiRequest& request) { return get_changes(service, request); };
  routes[1].method = Method::put;
  routes[1].pattern = "/v1/changes/acknowledgement";
  routes[1].access = Route::Access::poller;
  routes[1].body = Route::Body::json;
  routes[1].answer = [&service](ApiRequest& request) {
    return put_acknowledgement(service, request);
  };
  return routes;
}

}  // namespace server
