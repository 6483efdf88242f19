// ocsp_handler.hpp: OCSP over HTTP (RFC 6960 appendix A, RFC 9919): addresses, methods, media
// types, and the headers that let caches do their work. One object a worker.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "server/http_connection.hpp"
#include "server/metrics.hpp"
#include "server/signing_pool.hpp"

namespace server {

class OcspHandler final : public HttpHandler {
 public:
  OcspHandler(const IssuerSet& issuers, const OcspConfig& config, std::chrono::seconds clock_skew,
              SigningPool& pool, WorkerStats& stats);

  void adopt(std::shared_ptr<const Snapshot> snapshot) { service_.adopt(std::move(snapshot)); }

  void handle(const HttpRequest& request, HttpConnection& connection) override;
  HttpRefusal refused(unsigned status, const PeerCertificate*) override {
    stats_.count_refused(status);
    return plain_refusal(status);
  }

 private:
  using Clock = std::chrono::steady_clock;
  struct Route {
    std::uint32_t scope = kEveryIssuer;
    std::string_view rest;  // of the path; what a GET asks
  };
  [[nodiscard]] std::optional<Route> route(std::string_view target) const;
  void answer(const HttpRequest& request, HttpConnection& connection, const Route& route);
  void answer_later(pki::Bytes question, std::uint32_t scope, const HttpRequest& request,
                    HttpConnection& connection);
  void respond(const HttpRequest& request, HttpConnection& connection,
               const OcspService::Answer& answer, pki::Time now);
  void refuse(HttpConnection& connection, unsigned status, std::string_view headers,
              std::string_view text);
  void write_freshness(pki::Time now, pki::Time next_update);

  const IssuerSet& issuers_;
  const OcspConfig& config_;
  SigningPool& pool_;
  WorkerStats& stats_;
  OcspService service_;

  // Used again for each request.
  std::vector<std::uint8_t> decoded_;
  std::string headers_;
  // Cache-Control and Expires, which are the same for every answer of a second and an issuer.
  pki::Time freshness_now_;
  std::int64_t freshness_seconds_ = -1;
  std::string freshness_;
};

}  // namespace server
