// ops_handler.hpp: /livez, /readyz and /metrics for those who operate the server.
#pragma once

#include <functional>
#include <string>

#include "server/http_connection.hpp"

namespace server {

class OpsHandler final : public HttpHandler {
 public:
  struct Readiness {
    bool ready = false;
    std::string text;  // one line an issuer, with the reason where it is not ready
  };
  // Called on the thread of the ops listener.
  using AskReadiness = std::function<Readiness()>;
  using AskMetrics = std::function<std::string()>;

  OpsHandler(AskReadiness readiness, AskMetrics metrics)
      : readiness_(std::move(readiness)), metrics_(std::move(metrics)) {}

  void handle(const HttpRequest& request, HttpConnection& connection) override;

 private:
  AskReadiness readiness_;
  AskMetrics metrics_;
};

}  // namespace server
