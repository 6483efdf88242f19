#include "server/api/platform_server.hpp"

#include <thread>

#include "server/api/changes_routes.hpp"
#include "server/api/database_watch.hpp"
#include "server/api/platform_services.hpp"
#include "server/api/problem_pages.hpp"
#include "server/api/public_routes.hpp"
#include "server/http_server.hpp"
#include "server/platform/change_listener.hpp"
#include "server/platform/fan_out.hpp"
#include "server/tls_report.hpp"

namespace server {
namespace {

// A tenth of all connections may be of one certificate, unless configured.
constexpr std::uint32_t kCertificateConnections = 10;
constexpr std::uint32_t kCertificateConnectionsMin = 16;
// So many of the largest bodies may be on their way at once. Beyond, requests are answered 503.
constexpr std::uint64_t kLargestBodies = 32;
// A certificate's requests for what is not there are braked at so much less than an institution's.
constexpr std::uint32_t kRequestsAFailure = 20;

HttpServer::Options options_of(const ApiConfig& config, std::shared_ptr<TlsContext> tls) {
  HttpServer::Options options;
  options.listen = config.listen;
  options.tls = std::move(tls);
  options.threads =
      config.threads != 0 ? config.threads : std::max(1U, std::thread::hardware_concurrency());
  options.budget.connections = config.connections_max;
  options.budget.certificate_connections =
      config.certificate_connections_max != 0
          ? config.certificate_connections_max
          : std::max(kCertificateConnectionsMin, config.connections_max / kCertificateConnections);
  options.budget.body_bytes =
      kLargestBodies * std::max(config.request_bytes_max, config.batch_bytes_max);
  options.limits.body_bytes_max = config.request_bytes_max;
  options.limits.request_timeout = config.request_timeout;
  options.limits.handshake_timeout =
      std::min(config.request_timeout, options.limits.handshake_timeout);
  options.limits.idle_timeout = config.idle_timeout;
  options.limits.fields = HeaderFields::of_api;
  options.drain_timeout = config.drain_timeout;
  return options;
}

void append(std::vector<Route>& to, std::vector<Route> more) {
  for (Route& route : more) to.push_back(std::move(route));
}

}  // namespace

PlatformServer::PlatformServer(const Config& config, const IssuerSet& issuers,
                               const SnapshotKeeper& keeper, AskTime clock)
    : config_(config),
      keeper_(keeper),
      clock_(std::move(clock)),
      tls_(std::make_shared<TlsContext>(config.api->tls, clock_())),
      keys_(config.database->key_encryption_key),
      database_(*config.database),
      callers_(database_),
      limiter_(config.api->requests_per_second),
      failures_(std::max(1U, config.api->requests_per_second / kRequestsAFailure)),
      cursors_(keys_, config.api->environment),
      changes_(database_, room_, cursors_) {
  static_cast<void>(problem_page_text(ProblemKind::internal_error));  // all texts, or no start
  const HttpServer::Options options = options_of(*config_.api, tls_);
  services_ = std::make_unique<PlatformServices>(PlatformServices::Needs{
      config_, issuers, keeper, database_, keys_, cursors_, clock_, options.threads});
  router_ = std::make_unique<Router>(routes());
  stats_ = std::make_unique<ApiStats>(*router_);
  common_ = std::make_unique<ApiCommon>(
      ApiCommon{*config_.api, *router_, callers_, limiter_, failures_, *stats_, clock_});
  http_ = std::make_unique<HttpServer>(
      options, [this](unsigned worker) { return std::make_unique<ApiHandler>(*common_, worker); });
  on_drain([this] { room_.drain(); });
}

PlatformServer::~PlatformServer() {
  fan_out_.reset();
  listener_.reset();
  watch_.reset();
  drain();
}

// All resources, from one function each.
std::vector<Route> PlatformServer::routes() {
  std::vector<Route> out;
  append(out, public_routes(*config_.api, database_));
  append(out, changes_routes(changes_));
  append(out, services_->routes());
  return out;
}

void PlatformServer::start() {
  watch_ = std::make_unique<DatabaseWatch>(*config_.database, callers_, keys_, clock_);
  listener_ = std::make_unique<ChangeListener>(*config_.database, room_);
  FanOut::Options fan_out;
  fan_out.life = config_.consent.cursor_life;
  fan_out.clock = clock_;
  fan_out.is_borne_out = [this](pki::Time now) {
    return are_lists_in_force(*keeper_.current(), now);
  };
  fan_out_ = std::make_unique<FanOut>(*config_.database, fan_out);
  services_->start();
  http_->start();
}

void PlatformServer::on_drain(std::function<void()> hook) {
  drain_hooks_.push_back(std::move(hook));
}

void PlatformServer::drain() {
  for (const auto& hook : drain_hooks_) hook();
  drain_hooks_.clear();
  http_->drain_and_join();
  services_->stop();
}

std::string PlatformServer::fault() const {
  return watch_ ? watch_->fault() : std::string("not started");
}

void PlatformServer::describe(MetricsText& text) const {
  stats_->describe(text);
  describe_tls(text, "api", *tls_);
  services_->describe(text);
  if (fan_out_) add_feed_metrics(text, fan_out_->stats(), room_.waiters(), clock_());
  text.gauge("tashika_api_open_connections", "Connections to the API's listener.", {},
             static_cast<double>(http_->budget().open_connections()));
  http_->budget().describe(text, "api");
  const Database::Load load = database_.load();
  text.gauge("tashika_database_waiting", "Pieces of work that wait for a connection.", {},
             static_cast<double>(load.waiting));
  text.gauge("tashika_database_running", "Pieces of work on a connection.", {},
             static_cast<double>(load.running));
  text.counter("tashika_database_refused_total",
               "Pieces of work that found the queue full or waited too long.", {},
               static_cast<double>(load.refused));
  text.gauge("tashika_database_ready", "1 while the database is there and its schema is right.", {},
             fault().empty() ? 1 : 0);
}

}  // namespace server
