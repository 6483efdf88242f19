// tashika serve: answers OCSP, and institutions, until SIGTERM.
#include <fmt/format.h>
#include <sys/resource.h>

#include <csignal>
#include <thread>

#include "server/api/platform_server.hpp"
#include "server/commands/commands.hpp"
#include "server/commands/config_files.hpp"
#include "server/http_server.hpp"
#include "server/log.hpp"
#include "server/ocsp_handler.hpp"
#include "server/ops_handler.hpp"
#include "server/platform/availability_watch.hpp"
#include "server/platform/consent_jobs.hpp"
#include "server/platform/watcher.hpp"
#include "server/private_memory.hpp"
#include "server/snapshot_keeper.hpp"
#include "server/status_report.hpp"
#include "server/tls_report.hpp"
#include "server/wall_clock.hpp"

namespace server {
namespace {

struct Options {
  std::filesystem::path config;
  bool check = false;
};

unsigned threads_of(std::uint32_t configured) {
  return configured != 0 ? configured : std::max(1U, std::thread::hardware_concurrency());
}

// The descriptors that the listeners for everybody leave alone.
rlim_t reserved_descriptors(const Config& config) {
  constexpr rlim_t kFiles = 16;     // standard streams, and files that are open for a moment
  constexpr rlim_t kWorker = 4;     // its event loop, and its acceptor
  constexpr rlim_t kScrapers = 16;  // connections to [ops]
  constexpr rlim_t kListeners = 8;  // connections of the feed and the watcher, beside the pool
  rlim_t out = kFiles;
  if (config.ocsp) out += kWorker * threads_of(config.ocsp->threads);
  if (config.ops) out += kWorker + kScrapers;
  if (config.api) out += kWorker * threads_of(config.api->threads) + config.authority->connections;
  if (config.database) out += config.database->connections + kListeners;
  return out;
}

// As many descriptors as the system lets us have. Where they are fewer than the listeners may have
// connections, each gets its share.
void share_descriptors(Config& config) {
  constexpr rlim_t kFewest = 16;  // connections of a listener that is worth starting
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  std::uint32_t* const ocsp = config.ocsp ? &config.ocsp->connections_max : nullptr;
  std::uint32_t* const api = config.api ? &config.api->connections_max : nullptr;
  const rlim_t own = reserved_descriptors(config);
  const rlim_t wanted = rlim_t{ocsp ? *ocsp : 0} + (api ? *api : 0);
  if (limit.rlim_max >= wanted + own) return;
  const rlim_t least =
      own + std::min(wanted, kFewest * (rlim_t{ocsp != nullptr} + rlim_t{api != nullptr}));
  if (limit.rlim_max < least) {
    throw std::runtime_error(
        fmt::format("only {} files may be open, and this configuration needs {} at least: raise "
                    "the hard limit (`ulimit -Hn`, LimitNOFILE= of systemd)",
                    limit.rlim_max, least));
  }
  const rlim_t fit = limit.rlim_max - own;
  for (const auto& [one, listener] : {std::pair{ocsp, "ocsp"}, std::pair{api, "api"}}) {
    if (one == nullptr) continue;
    const auto share = static_cast<std::uint32_t>(std::max<rlim_t>(1, *one * fit / wanted));
    log(Level::warning, "fewer_connections",
        {{"listener", listener},
         {"connections_max", *one},
         {"descriptors", limit.rlim_max},
         {"used", share}});
    *one = share;
  }
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
  options.budget.connections = config.connections_max;
  options.limits.body_bytes_max = config.request_bytes_max;
  // A GET carries the body in its path, in base64 with every character escaped at the worst.
  options.limits.header_bytes_max = std::max<std::uint32_t>(16 << 10, config.request_bytes_max * 3);
  options.limits.request_timeout = config.request_timeout;
  options.limits.handshake_timeout =
      std::min(config.request_timeout, options.limits.handshake_timeout);
  options.limits.idle_timeout = config.idle_timeout;
  options.drain_timeout = config.drain_timeout;
  return options;
}

// The listener that answers OCSP, and what it needs.
class OcspServer {
 public:
  OcspServer(const IssuerSet& issuers, const Config& config, const SnapshotKeeper& keeper)
      : tls_(make_tls(config.ocsp->tls)),
        pool_(issuers, *config.ocsp, config.index.clock_skew,
              std::ranges::any_of(issuers.responders, &Responder::is_slow) ? threads(config) : 0) {
    for (unsigned i = 0; i < threads(config); ++i) {
      stats_.push_back(std::make_unique<WorkerStats>());
    }
    http_.emplace(ocsp_options(*config.ocsp, tls_, threads(config)), [&](unsigned worker) {
      auto handler = std::make_unique<OcspHandler>(issuers, *config.ocsp, config.index.clock_skew,
                                                   pool_, *stats_[worker]);
      handler->adopt(keeper.current());
      return handler;
    });
  }

  void start() { http_->start(); }
  void drain() { http_->drain_and_join(); }

  void adopt(const std::shared_ptr<const Snapshot>& snapshot) {
    http_->post_to_all(
        [snapshot](HttpHandler& handler) { static_cast<OcspHandler&>(handler).adopt(snapshot); });
  }

  void describe(MetricsText& text) const {
    text.worker_stats(stats_);
    text.gauge("tashika_http_open_connections", "Connections to the OCSP listener.", {},
               static_cast<double>(http_->budget().open_connections()));
    http_->budget().describe(text, "ocsp");
    if (tls_) describe_tls(text, "ocsp", *tls_);
  }

 private:
  static unsigned threads(const Config& config) { return threads_of(config.ocsp->threads); }

  const std::shared_ptr<TlsContext> tls_;
  std::vector<std::unique_ptr<WorkerStats>> stats_;
  // Destroyed in the order pool, http: answers on their way find their worker's loop.
  std::optional<HttpServer> http_;
  SigningPool pool_;
};

// Everything that runs; what is not configured is not there.
struct Serving {
  const Config& config;
  const IssuerSet& issuers;
  SnapshotKeeper keeper;
  std::unique_ptr<OcspServer> ocsp;
  std::unique_ptr<PlatformServer> platform;
  std::unique_ptr<Watcher> watcher;
  std::unique_ptr<AvailabilityWatch> availability;
};

// The authority told us that a consent has ended.
void end_consent_there(Connection& connection, const EndedConsent& ended, pki::Time now) {
  Session session(connection);
  if (end_by_authority(session, {ended.institution_id, ended.consent_id}, ended.why, now)) {
    session.commit();
  }
}

OpsHandler::Readiness readiness(const Serving& serving) {
  OpsHandler::Readiness out{true, {}};
  const auto add = [&out](const std::string& name, const std::string& fault) {
    out.ready = out.ready && fault.empty();
    out.text += fmt::format("{}: {}\n", name, fault.empty() ? "ready" : fault);
  };
  const auto snapshot = serving.keeper.current();
  for (std::size_t i = 0; i < serving.issuers.issuers.size(); ++i) {
    const ServedIssuer& issuer = serving.issuers.issuers[i];
    add(issuer.config.name,
        fault_of(issuer, serving.issuers.responder_of(issuer), snapshot->issuers[i], wall_clock(),
                 serving.config.index.clock_skew));
  }
  if (serving.platform) add("database", serving.platform->fault());
  return out;
}

std::string metrics(const Serving& serving) {
  MetricsText text;
  if (serving.ocsp) serving.ocsp->describe(text);
  if (serving.platform) serving.platform->describe(text);
  if (serving.watcher) serving.watcher->describe(text);
  if (serving.availability) serving.availability->describe(text);
  text.counter("tashika_index_open_failures_total", "Index files that were refused.", {},
               static_cast<double>(serving.keeper.open_failures()));
  const auto snapshot = serving.keeper.current();
  for (std::size_t i = 0; i < serving.issuers.issuers.size(); ++i) {
    const ServedIssuer& issuer = serving.issuers.issuers[i];
    describe_issuer(text, issuer, serving.issuers.responder_of(issuer), snapshot->issuers[i],
                    read_ingest_record(serving.keeper.directory(i).path()), wall_clock());
  }
  return text.text();
}

std::unique_ptr<HttpServer> make_ops(const Serving& serving) {
  if (!serving.config.ops) return nullptr;
  HttpServer::Options options;
  options.listen = *serving.config.ops;
  options.budget.connections = 256;
  return std::make_unique<HttpServer>(options, [&serving](unsigned) {
    return std::make_unique<OpsHandler>([&serving] { return readiness(serving); },
                                        [&serving] { return metrics(serving); });
  });
}

std::string address(const ListenConfig& listen) {
  return fmt::format("{}:{}", listen.address, listen.port);
}

// Runs everything until SIGTERM or SIGINT, then ends it in order.
int serve(Config config, const IssuerSet& issuers) {
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGTERM);
  sigaddset(&ending, SIGINT);
  ::pthread_sigmask(SIG_BLOCK, &ending, nullptr);  // before any thread; all inherit it
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGHUP, SIG_IGN);  // files are read again when they change, without being told
  share_descriptors(config);

  constexpr std::uint64_t kNoCacheBytes = 1;
  Serving serving{
      config,
      issuers,
      SnapshotKeeper(issuers, config.index, config.ocsp ? config.ocsp->cache_bytes : kNoCacheBytes),
      nullptr,
      nullptr,
      nullptr,
      nullptr};
  if (config.ocsp) serving.ocsp = std::make_unique<OcspServer>(issuers, config, serving.keeper);
  if (config.api) {
    serving.platform =
        std::make_unique<PlatformServer>(config, issuers, serving.keeper, wall_clock);
  }
  if (config.database) {
    serving.watcher = std::make_unique<Watcher>(config, issuers, serving.keeper, wall_clock);
  }
  if (config.database && config.authority) {
    serving.availability = std::make_unique<AvailabilityWatch>(config, issuers, serving.keeper,
                                                               wall_clock, end_consent_there);
  }
  const std::unique_ptr<HttpServer> ops = make_ops(serving);
  serving.keeper.start([&](const std::shared_ptr<const Snapshot>& snapshot) {
    if (serving.ocsp) serving.ocsp->adopt(snapshot);
  });
  if (serving.ocsp) serving.ocsp->start();
  if (serving.platform) serving.platform->start();
  if (ops) ops->start();
  if (serving.watcher) serving.watcher->start();
  if (serving.availability) serving.availability->start();
  log(Level::info, "serving",
      {{"ocsp", config.ocsp ? address(config.ocsp->listen) : ""},
       {"api", config.api ? address(config.api->listen) : ""},
       {"ops", config.ops ? address(*config.ops) : ""},
       {"issuers", issuers.issuers.size()}});

  int signal = 0;
  ::sigwait(&ending, &signal);
  log(Level::info, "draining", {{"signal", signal}});
  if (serving.watcher) serving.watcher->request_stop();
  if (serving.availability) serving.availability->request_stop();
  serving.keeper.stop();
  // Side by side: each may take its drain_timeout.
  std::thread platform([&serving] {
    if (serving.platform) serving.platform->drain();
  });
  if (serving.ocsp) serving.ocsp->drain();
  platform.join();
  if (serving.watcher) serving.watcher->stop();
  if (serving.availability) serving.availability->stop();
  if (ops) ops->drain_and_join();
  log(Level::info, "ended");
  return kExitOk;
}

int run_serve(const Options& options) {
  const Config config = load_config(options.config);
  if (config.database) keep_memory_private();
  if (!config.ocsp && !config.api) {
    throw ConfigError({fmt::format("{}: `serve` needs the section [ocsp] or [api], with `listen`",
                                   config.path.string())});
  }
  if (!options.check) return serve(config, load_issuers(config, wall_clock()));
  const IssuerSet issuers = check_files(config, wall_clock());
  fmt::print("{}: right: {}, {}{}\n", config.path.string(),
             counted(issuers.issuers.size(), "issuer"),
             counted(issuers.responders.size(), "responder"),
             config.database ? "; the database was not asked" : "");
  return kExitOk;
}

}  // namespace

void add_serve(CLI::App& app, Run& run) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("serve", "Answer OCSP and the institutions' API until SIGTERM");
  command->add_option("--config", options->config, "the configuration file")->required();
  command->add_flag("--check", options->check,
                    "check the configuration and its files, not the database, and exit");
  command->footer(
      "New generations that `tashika ingest` publishes are picked up within a second.\n"
      "Example:\n  tashika serve --config /etc/tashika/tashika.toml");
  command->callback([options, &run] { run = [options] { return run_serve(*options); }; });
}

}  // namespace server
