#include "server/ops_handler.hpp"

#include <algorithm>

namespace server {

void OpsHandler::handle(const HttpRequest& request, HttpConnection& connection) {
  constexpr std::string_view kText =
      "Content-Type: text/plain; charset=utf-8\r\nCache-Control: no-store\r\n";
  const auto respond = [&](unsigned status, std::string_view headers, std::string_view text) {
    connection.respond({status, headers, pki::as_bytes(text)});
  };
  if (request.method != Method::get && request.method != Method::head) {
    return respond(405, "Allow: GET, HEAD\r\nContent-Type: text/plain\r\n", "read only\n");
  }
  const std::string_view path =
      std::string_view(request.target)
          .substr(0, std::min(request.target.find('?'), request.target.size()));
  if (path == "/livez") return respond(200, kText, "alive\n");
  if (path == "/readyz") {
    const Readiness readiness = readiness_();
    return respond(readiness.ready ? 200 : 503, kText, readiness.text);
  }
  if (path == "/metrics") {
    return respond(200,
                   "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
                   "Cache-Control: no-store\r\n",
                   metrics_());
  }
  respond(404, kText, "there are /livez, /readyz and /metrics\n");
}

}  // namespace server
