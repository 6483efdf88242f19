#include "server/api/public_routes.hpp"

#include <fmt/format.h>

#include "libpki/crypto.hpp"
#include "server/api/documents.hpp"
#include "server/api/problem_pages.hpp"
#include "server/platform/token_keys.hpp"

namespace server {
namespace {

namespace asio = boost::asio;

// The same text has the same tag, on every server.
std::string etag_of(std::string_view text) {
  const auto digest = pki::digest(pki::DigestAlgorithm::sha256, pki::as_bytes(text));
  return fmt::format("\"{}\"", pki::to_hex(digest.bytes().first(8)));
}

ApiResponse document(std::string text, std::string_view media_type) {
  ApiResponse out;
  out.etag = etag_of(text);
  out.text = std::move(text);
  out.media_type = media_type;
  out.cache_control = "public, max-age=300";
  return out;
}

Route get(std::string pattern, std::function<asio::awaitable<ApiResponse>(ApiRequest&)> answer) {
  Route out;
  out.pattern = std::move(pattern);
  out.access = Route::Access::everybody;
  out.answer = std::move(answer);
  return out;
}

// The contract names this server.
std::string openapi_for(const std::string& base_url) {
  auto contract = nlohmann::ordered_json::parse(openapi_document());
  contract["servers"][0]["url"] = base_url;
  return contract.dump(1);
}

}  // namespace

std::vector<Route> public_routes(const ApiConfig& config, Database& database) {
  constexpr const char* kHtml = "text/html; charset=utf-8";
  std::vector<Route> out;
  out.push_back(
      get("/openapi.json",
          [text = openapi_for(config.base_url)](ApiRequest&) -> asio::awaitable<ApiResponse> {
            co_return document(text, "application/json");
          }));
  out.push_back(get("/problems", [](ApiRequest& request) -> asio::awaitable<ApiResponse> {
    co_return document(problem_list_page(page_language(request.accept_language)), kHtml);
  }));
  out.push_back(get("/problems/{}", [&config](ApiRequest& request) -> asio::awaitable<ApiResponse> {
    const auto kind = problem_kind(request.path.at(0));
    if (!kind) throw Problem(ProblemKind::not_found);
    co_return document(problem_page(*kind, page_language(request.accept_language), config.base_url),
                       kHtml);
  }));
  out.push_back(
      get("/.well-known/jwks.json", [&database](ApiRequest&) -> asio::awaitable<ApiResponse> {
        std::string keys = co_await database.run([](Connection& connection) {
          Session session(connection);
          return token_key_set(session);
        });
        co_return document(std::move(keys), "application/json");
      }));
  return out;
}

}  // namespace server
