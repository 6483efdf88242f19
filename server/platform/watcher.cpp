#include "server/platform/watcher.hpp"

#include <fmt/format.h>

#include "server/log.hpp"
#include "server/upstream/authority_client.hpp"

namespace server {
namespace {

constexpr std::chrono::seconds kLookEvery{1};
constexpr std::uint32_t kMeasureEvery = 5;  // looks

}  // namespace

struct Watcher::Authority {
  Authority(const Config& config, const OnConsentEnded& on_ended)
      : client(io.get_executor(), std::make_shared<AuthorityLink>(*config.authority, 1)),
        checks(config.consent, io, client, on_ended) {}

  boost::asio::io_context io;
  AuthorityClient client;
  AvailabilityChecks checks;
};

Watcher::Watcher(const Config& config, const IssuerSet& issuers, const SnapshotKeeper& keeper,
                 std::function<pki::Time()> clock, OnConsentEnded on_consent_ended)
    : config_(config),
      set_(issuers),
      keeper_(keeper),
      clock_(std::move(clock)),
      on_consent_ended_(std::move(on_consent_ended)) {
  for (const ServedIssuer& issuer : set_.issuers) {
    issuers_.push_back({watched_issuer(issuer.config.name, issuer.certificate->certificate),
                        IndexDirectory(config.index, issuer.config.name), std::nullopt,
                        std::nullopt});
  }
}

Watcher::~Watcher() {
  stop();
}

void Watcher::start() {
  thread_ = std::thread([this] { work(); });
}

void Watcher::stop() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Watcher::work() {
  std::optional<Connection> connection;
  std::optional<KeyRing> keys;
  std::unique_lock lock(mutex_);
  while (!ending_) {
    lock.unlock();
    try {
      if (!keys) keys.emplace(config_.database->key_encryption_key);
      if (config_.authority && !authority_) {
        authority_ = std::make_unique<Authority>(config_, on_consent_ended_);
      }
      if (!connection) connection.emplace(for_detection(*config_.database));
      look(*connection, *keys);
      say_trouble({});
    } catch (const std::exception& error) {
      connection.reset();
      say_trouble(error.what());
    }
    lock.lock();
    wake_.wait_for(lock, kLookEvery, [this] { return ending_; });
  }
}

// Once for each trouble, and once when it is over.
void Watcher::say_trouble(const std::string& trouble) {
  {
    const std::lock_guard lock(mutex_);
    figures_.is_reachable = trouble.empty();
  }
  if (trouble == trouble_) return;
  trouble_ = trouble;
  if (trouble.empty()) {
    log(Level::info, "watching_again");
  } else {
    log(Level::error, "watching_failed", {{"error", trouble}});
  }
}

void Watcher::look(Connection& connection, KeyRing& keys) {
  const auto snapshot = keeper_.current();
  for (std::size_t i = 0; i < issuers_.size(); ++i) {
    detect(connection, keys, issuers_[i], snapshot->issuers[i]);
    tell(connection, issuers_[i], snapshot->issuers[i]);
  }
  const ChangeCounts expired = expire_certificates(connection, clock_());
  if (expired.expired > 0) {
    log(Level::info, "certificates_expired",
        {{"certificates", expired.expired}, {"subjects", expired.pending}});
  }
  if (authority_) check_availability(connection, keys, *snapshot);
  if (looks_++ % kMeasureEvery == 0) measure(connection);
}

void Watcher::detect(Connection& connection, KeyRing& keys, Issuer& issuer,
                     const IssuerSnapshot& known) {
  if (issuer.version == known.version) return;
  const DetectionReport report =
      detect_changes(connection, keys, issuer.watched, issuer.directory, clock_);
  if (report.kind != DetectionReport::Kind::at_work) issuer.version = known.version;
}

void Watcher::tell(Connection& connection, Issuer& issuer, const IssuerSnapshot& known) {
  if (!known.lists) return;
  const pki::Time end = known.lists->view.freshness().of_absent().end;
  const bool is_stale = clock_() >= end;
  if (issuer.was_stale == is_stale) return;
  Session session(connection);
  const std::uint64_t told = tell_stale(session, issuer.watched.key_hash, issuer.watched.name,
                                        is_stale ? std::optional(end) : std::nullopt, clock_());
  session.commit();
  issuer.was_stale = is_stale;
  if (is_stale) {
    log(Level::warning, "lists_ran_out",
        {{"issuer", issuer.watched.name}, {"since", pki::to_string(end)}, {"told", told}});
  }
}

void Watcher::check_availability(Connection& connection, KeyRing& keys, const Snapshot& snapshot) {
  std::vector<AvailabilityChecks::Issuer> issuers;
  for (std::size_t i = 0; i < issuers_.size(); ++i) {
    issuers.push_back({&issuers_[i].watched, &snapshot.issuers[i], &set_.issuers[i].config});
  }
  for (;;) {
    const auto counts = authority_->checks.run(connection, keys, issuers, clock_);
    const std::lock_guard lock(mutex_);
    figures_.checks.asked += counts.asked;
    figures_.checks.available += counts.available;
    figures_.checks.lapsed += counts.lapsed;
    figures_.checks.unavailable += counts.unavailable;
    if (ending_ || counts.unavailable > 0 || counts.asked + counts.lapsed == 0) return;
  }
}

void Watcher::measure(Connection& connection) {
  Figures figures;
  figures.is_reachable = true;
  Session session(connection);
  for (const Issuer& issuer : issuers_) {
    figures.issuers.push_back(detection_figures(session, issuer.watched.key_hash));
  }
  figures.awaiting = count_awaiting(session);
  session.commit();
  const std::lock_guard lock(mutex_);
  figures.checks = figures_.checks;
  figures_ = std::move(figures);
}

void Watcher::describe(MetricsText& text) const {
  Figures figures;
  {
    const std::lock_guard lock(mutex_);
    figures = figures_;
  }
  text.gauge("tashika_watching_up", "1: the last look at watched certificates succeeded.", {},
             figures.is_reachable ? 1 : 0);
  text.gauge("tashika_subjects_awaiting", "Subjects that await a newer certificate.", {},
             static_cast<double>(figures.awaiting));
  const auto checks = [&](const char* outcome, std::uint64_t count) {
    text.counter("tashika_availability_checks_total",
                 "Questions to the authority for a newer certificate, and what came of them.",
                 {{"outcome", outcome}}, static_cast<double>(count));
  };
  checks("asked", figures.checks.asked);
  checks("available", figures.checks.available);
  checks("lapsed", figures.checks.lapsed);
  checks("authority_unavailable", figures.checks.unavailable);
  const auto snapshot = keeper_.current();
  for (std::size_t i = 0; i < figures.issuers.size(); ++i) {
    const MetricsText::Labels labels = {{"issuer", issuers_[i].watched.name}};
    const DetectionFigures& one = figures.issuers[i];
    text.counter("tashika_detection_changes_total",
                 "Watched certificates that were revoked, held or released by a list.", labels,
                 static_cast<double>(one.changed));
    const auto& lists = snapshot->issuers[i].lists;
    if (!lists) continue;
    const std::uint64_t newest = lists->view.number();
    const bool is_behind = one.detected != newest;
    text.gauge("tashika_detection_lag_generations",
               "Published generations whose changes are not all in the feed.", labels,
               newest > one.detected ? static_cast<double>(newest - one.detected) : 0);
    const std::chrono::seconds lag = clock_() - lists->head().index.created_at();
    text.gauge("tashika_detection_lag_seconds",
               "Age of the newest generation, while its changes are not all in the feed.", labels,
               is_behind ? static_cast<double>(lag.count()) : 0);
  }
}

}  // namespace server
