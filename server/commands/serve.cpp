// tashika serve: answers OCSP until SIGTERM.
#include <fmt/format.h>
#include <sys/resource.h>

#include <csignal>
#include <thread>

#include "server/commands/commands.hpp"
#include "server/http_server.hpp"
#include "server/log.hpp"
#include "server/ocsp_handler.hpp"
#include "server/ops_handler.hpp"
#include "server/platform/watcher.hpp"
#include "server/snapshot_keeper.hpp"
#include "server/status_report.hpp"
#include "server/tls.hpp"

namespace server {
namespace {

struct Options {
  std::filesystem::path config;
  bool check = false;
};

pki::Time wall_clock() {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

OpsHandler::Readiness readiness(const IssuerSet& issuers, const SnapshotKeeper& keeper,
                                std::chrono::seconds skew) {
  OpsHandler::Readiness out{true, {}};
  const auto snapshot = keeper.current();
  for (std::size_t i = 0; i < issuers.issuers.size(); ++i) {
    const ServedIssuer& issuer = issuers.issuers[i];
    const std::string fault = fault_of(issuer, issuers.responders[issuer.responder],
                                       snapshot->issuers[i], wall_clock(), skew);
    out.ready = out.ready && fault.empty();
    out.text += fmt::format("{}: {}\n", issuer.config.name, fault.empty() ? "ready" : fault);
  }
  return out;
}

void describe_tls(MetricsText& text, const std::string& listener, const TlsContext& tls) {
  const TlsContext::Figures figures = tls.figures();
  for (std::size_t i = 0; i < kHandshakeEnds.size(); ++i) {
    text.counter("tashika_tls_handshakes_total", "TLS handshakes by how they ended.",
                 {{"listener", listener}, {"end", std::string(kHandshakeEnds[i])}},
                 static_cast<double>(figures.handshakes[i]));
  }
  text.counter("tashika_tls_reloads_total", "Changed TLS files that were taken over.",
               {{"listener", listener}}, static_cast<double>(figures.reloads));
  text.counter("tashika_tls_reload_failures_total", "Changed TLS files that were refused.",
               {{"listener", listener}}, static_cast<double>(figures.reload_failures));
  text.gauge("tashika_tls_files_refused", "1 while the TLS files on disk are not those in force.",
             {{"listener", listener}}, figures.fault.empty() ? 0 : 1);
  text.gauge("tashika_tls_certificate_not_after_seconds",
             "When the listener's certificate in force ends, in seconds since 1970.",
             {{"listener", listener}},
             static_cast<double>(figures.not_after.time_since_epoch().count()));
}

std::string metrics(const IssuerSet& issuers, const SnapshotKeeper& keeper, const HttpServer& http,
                    const TlsContext* tls, const std::vector<std::unique_ptr<WorkerStats>>& stats,
                    const std::optional<Watcher>& watcher) {
  MetricsText text;
  text.worker_stats(stats);
  text.gauge("tashika_http_open_connections", "Connections to the OCSP listener.", {},
             static_cast<double>(http.open_connections()));
  if (tls != nullptr) describe_tls(text, "ocsp", *tls);
  text.counter("tashika_index_open_failures_total", "Index files that were refused.", {},
               static_cast<double>(keeper.open_failures()));
  const auto snapshot = keeper.current();
  for (std::size_t i = 0; i < issuers.issuers.size(); ++i) {
    const ServedIssuer& issuer = issuers.issuers[i];
    describe_issuer(text, issuer, issuers.responders[issuer.responder], snapshot->issuers[i],
                    read_ingest_record(keeper.directory(i).path()), wall_clock());
  }
  if (watcher) watcher->describe(text);
  return text.text();
}

// As many descriptors as the system lets us have. Returns how many connections that leaves room
// for, beside the files and listeners of the server itself.
std::uint32_t connections_that_fit(std::uint32_t wanted) {
  constexpr rlim_t kOwn = 64;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return wanted;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_max >= wanted + kOwn) return wanted;
  const auto fit = static_cast<std::uint32_t>(std::max<rlim_t>(limit.rlim_max, 2 * kOwn) - kOwn);
  log(Level::warning, "fewer_connections",
      {{"connections_max", wanted}, {"descriptors", limit.rlim_max}, {"used", fit}});
  return fit;
}

std::shared_ptr<TlsContext> make_tls(const std::optional<TlsConfig>& config) {
  return config ? std::make_shared<TlsContext>(*config, wall_clock()) : nullptr;
}

HttpServer::Options ocsp_options(const OcspConfig& config, std::shared_ptr<TlsContext> tls,
                                 unsigned threads) {
  HttpServer::Options options;
  options.listen = config.listen;
  options.tls = std::move(tls);
  options.threads = threads;
  options.connections_max = connections_that_fit(config.connections_max);
  options.limits.body_bytes_max = config.request_bytes_max;
  // A GET carries the body in its path, in base64 with every character escaped at the worst.
  options.limits.header_bytes_max = std::max<std::uint32_t>(16 << 10, config.request_bytes_max * 3);
  options.limits.request_timeout = config.request_timeout;
  options.limits.handshake_timeout = config.request_timeout;
  options.limits.idle_timeout = config.idle_timeout;
  options.drain_timeout = config.drain_timeout;
  return options;
}

// Runs everything until SIGTERM or SIGINT, then ends it in order.
int serve(const Config& config, const IssuerSet& issuers) {
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGTERM);
  sigaddset(&ending, SIGINT);
  ::pthread_sigmask(SIG_BLOCK, &ending, nullptr);  // before any thread; all inherit it
  std::signal(SIGPIPE, SIG_IGN);

  const OcspConfig& ocsp = *config.ocsp;
  const std::shared_ptr<TlsContext> tls = make_tls(ocsp.tls);
  const unsigned threads =
      ocsp.threads != 0 ? ocsp.threads : std::max(1U, std::thread::hardware_concurrency());
  SnapshotKeeper keeper(issuers, config.index, ocsp.cache_bytes);
  std::optional<Watcher> watcher;
  if (config.database) watcher.emplace(config, issuers, keeper, wall_clock);
  std::vector<std::unique_ptr<WorkerStats>> stats;
  for (unsigned i = 0; i < threads; ++i) stats.push_back(std::make_unique<WorkerStats>());

  // Destroyed in the order pool, http, keeper: answers on their way find their worker's loop.
  const bool any_slow = std::ranges::any_of(issuers.responders, &Responder::is_slow);
  std::optional<HttpServer> http;
  SigningPool pool(issuers, ocsp, config.index.clock_skew, any_slow ? threads : 0);
  http.emplace(ocsp_options(ocsp, tls, threads), [&](unsigned worker) {
    auto handler =
        std::make_unique<OcspHandler>(issuers, ocsp, config.index.clock_skew, pool, *stats[worker]);
    handler->adopt(keeper.current());
    return handler;
  });
  std::optional<HttpServer> ops;
  if (config.ops) {
    HttpServer::Options options;
    options.listen = *config.ops;
    options.connections_max = 256;
    ops.emplace(options, [&](unsigned) {
      return std::make_unique<OpsHandler>(
          [&] { return readiness(issuers, keeper, config.index.clock_skew); },
          [&] { return metrics(issuers, keeper, *http, tls.get(), stats, watcher); });
    });
  }
  keeper.start([&](const std::shared_ptr<const Snapshot>& snapshot) {
    http->post_to_all(
        [snapshot](HttpHandler& handler) { static_cast<OcspHandler&>(handler).adopt(snapshot); });
  });
  http->start();
  if (ops) ops->start();
  if (watcher) watcher->start();
  log(Level::info, "serving",
      {{"ocsp", fmt::format("{}:{}", ocsp.listen.address, ocsp.listen.port)},
       {"ops", config.ops ? fmt::format("{}:{}", config.ops->address, config.ops->port) : ""},
       {"issuers", issuers.issuers.size()},
       {"threads", threads}});

  int signal = 0;
  ::sigwait(&ending, &signal);
  log(Level::info, "draining", {{"signal", signal}});
  if (watcher) watcher->stop();
  keeper.stop();
  http->drain_and_join();
  if (ops) ops->drain_and_join();
  log(Level::info, "ended");
  return kExitOk;
}

int run_serve(const Options& options) {
  const Config config = load_config(options.config);
  if (!config.ocsp) {
    throw ConfigError(
        {fmt::format("{}: `serve` needs the section [ocsp] with `listen`", config.path.string())});
  }
  const IssuerSet issuers = load_issuers(config, wall_clock());
  if (!options.check) return serve(config, issuers);
  make_tls(config.ocsp->tls);
  if (config.api) make_tls(config.api->tls);
  fmt::print("{}: right: {} issuers, {} responders\n", config.path.string(), issuers.issuers.size(),
             issuers.responders.size());
  return kExitOk;
}

}  // namespace

void add_serve(CLI::App& app, Run& run) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("serve", "Answer OCSP, from the newest indexes, until SIGTERM");
  command->add_option("--config", options->config, "the configuration file")->required();
  command->add_flag("--check", options->check, "check the configuration and exit");
  command->footer(
      "New generations that `tashika ingest` publishes are picked up within a second.\n"
      "Example:\n  tashika serve --config /etc/tashika/tashika.toml");
  command->callback([options, &run] { run = [options] { return run_serve(*options); }; });
}

}  // namespace server
