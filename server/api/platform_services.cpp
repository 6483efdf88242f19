#include "server/api/platform_services.hpp"

#include <boost/asio/this_coro.hpp>

#include "server/api/attributes_routes.hpp"
#include "server/api/certificates_routes.hpp"
#include "server/api/consents_routes.hpp"
#include "server/upstream/authority_metrics.hpp"

namespace server {

namespace asio = boost::asio;

namespace {

std::vector<WatchedIssuer> watched_issuers(const IssuerSet& issuers) {
  std::vector<WatchedIssuer> out;
  for (const ServedIssuer& issuer : issuers.issuers) {
    out.push_back(watched_issuer(issuer.config.name, issuer.certificate->certificate));
  }
  return out;
}

PlatformParts parts_of(const PlatformServices::Needs& needs, WorkerGateways& gateways) {
  return {needs.database,
          needs.keys,
          needs.issuers,
          [&keeper = needs.keeper] { return keeper.current(); },
          [&gateways]() -> ConsentGateway& { return gateways.here(); },
          [&gateways]() -> FourInformationGateway& { return gateways.here(); },
          needs.config.api->base_url,
          needs.config.consent,
          needs.clock};
}

ConsentService::HeadCursor head_cursor(CursorMaker& cursors) {
  return [&cursors](Session& session) {
    const FeedHead head = feed_head(session);
    return cursors.get(session).encode(session.institution_id(), {head.epoch, head.last_pos});
  };
}

}  // namespace

PlatformServices::PlatformServices(const Needs& needs)
    : config_(needs.config),
      link_(std::make_shared<AuthorityLink>(*needs.config.authority, needs.workers + 1)),
      gateways_(link_, needs.workers),
      parts_(parts_of(needs, gateways_)),
      tokens_(parts_),
      consents_(parts_, tokens_, read_consent_document, head_cursor(needs.cursors)),
      attributes_(parts_, tokens_),
      records_(parts_),
      status_(needs.database, needs.keys, watched_issuers(needs.issuers), parts_.snapshot),
      jobs_(
          parts_, tokens_,
          [link = link_](asio::io_context& io) -> std::shared_ptr<ConsentGateway> {
            return std::make_shared<AuthorityClient>(io.get_executor(), link);
          },
          needs.config.authority->withdrawal_poll) {}

PlatformServices::~PlatformServices() {
  stop();
}

Route PlatformServices::on_worker(Route route) {
  route.answer =
      [this, inner = std::move(route.answer)](ApiRequest& request) -> asio::awaitable<ApiResponse> {
    gateways_.enter(request.worker, co_await asio::this_coro::executor);
    co_return co_await inner(request);
  };
  return route;
}

std::vector<Route> PlatformServices::routes() {
  std::vector<Route> out;
  const auto add = [&](std::vector<Route> routes) {
    for (Route& route : routes) out.push_back(on_worker(std::move(route)));
  };
  add(consents_routes(consents_));
  add(attributes_routes(attributes_));
  add(records_routes(records_));
  add(certificates_routes(status_));
  return out;
}

void PlatformServices::start() {
  jobs_.start();
}

void PlatformServices::stop() {
  jobs_.stop();
}

void PlatformServices::describe(MetricsText& text) const {
  jobs_.describe(text);
  add_authority_metrics(*link_, "api", CircuitBreaker::Clock::now(), text);
}

}  // namespace server
