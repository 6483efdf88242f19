#include "server/platform/watcher.hpp"

#include "server/log.hpp"

namespace server {
namespace {

constexpr std::uint32_t kMeasureEvery = 5;  // looks

}  // namespace

Watcher::Watcher(const Config& config, const IssuerSet& issuers, const SnapshotKeeper& keeper,
                 std::function<pki::Time()> clock)
    : keeper_(keeper),
      clock_(std::move(clock)),
      job_("watch", for_detection(*config.database), clock_,
           [this](Connection& connection, KeyRing& keys, const std::stop_token& stop) {
             look(connection, keys, stop);
           }) {
  for (const ServedIssuer& issuer : issuers.issuers) {
    issuers_.push_back({watched_issuer(issuer.config.name, issuer.certificate->certificate),
                        IndexDirectory(config.index, issuer.config.name), std::nullopt,
                        std::nullopt});
  }
}

void Watcher::look(Connection& connection, KeyRing& keys, const std::stop_token& stop) {
  const auto snapshot = keeper_.current();
  for (std::size_t i = 0; i < issuers_.size(); ++i) {
    detect(connection, keys, issuers_[i], snapshot->issuers[i], stop);
    if (stop.stop_requested()) return;
    tell(connection, issuers_[i], snapshot->issuers[i]);
  }
  expire(connection, *snapshot, stop);
  if (looks_++ % kMeasureEvery == 0) measure(connection);
}

void Watcher::expire(Connection& connection, const Snapshot& snapshot,
                     const std::stop_token& stop) {
  const pki::Time now = clock_();
  const bool is_borne_out = are_lists_in_force(snapshot, now);
  if (was_borne_out_ != is_borne_out) {
    if (!is_borne_out) {
      log(Level::warning, "nothing_ends",
          {{"why", "no lists are in force: they stopped to come, or the clock is wrong"},
           {"clock", pki::to_string(now)}});
    } else if (was_borne_out_) {
      log(Level::info, "lists_in_force_again", {{"clock", pki::to_string(now)}});
    }
    was_borne_out_ = is_borne_out;
  }
  if (!is_borne_out) return;
  const ChangeCounts expired = expire_certificates(connection, now, stop);
  if (expired.expired > 0) {
    log(Level::info, "certificates_expired",
        {{"certificates", expired.expired}, {"subjects", expired.pending}});
  }
}

void Watcher::detect(Connection& connection, KeyRing& keys, Issuer& issuer,
                     const IssuerSnapshot& known, const std::stop_token& stop) {
  if (issuer.version == known.version) return;
  const DetectionReport report =
      detect_changes(connection, keys, issuer.watched, issuer.directory, clock_, stop);
  const bool is_done = report.kind == DetectionReport::Kind::nothing_new ||
                       report.kind == DetectionReport::Kind::detected;
  if (is_done) issuer.version = known.version;
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

void Watcher::measure(Connection& connection) {
  Figures figures;
  Session session(connection);
  for (const Issuer& issuer : issuers_) {
    figures.issuers.push_back(detection_figures(session, issuer.watched.key_hash));
  }
  figures.awaiting = count_awaiting(session);
  session.commit();
  const std::lock_guard lock(mutex_);
  figures_ = std::move(figures);
}

void Watcher::describe(MetricsText& text) const {
  Figures figures;
  {
    const std::lock_guard lock(mutex_);
    figures = figures_;
  }
  text.gauge("tashika_watching_up", "1: the last look at watched certificates succeeded.", {},
             job_.is_up() ? 1 : 0);
  job_.describe(text);
  text.gauge("tashika_subjects_awaiting", "Subjects that await a newer certificate.", {},
             static_cast<double>(figures.awaiting));
  const auto snapshot = keeper_.current();
  text.gauge(
      "tashika_time_borne_out",
      "1: lists of an issuer are in force by the clock. 0: nothing ends because of the time.", {},
      are_lists_in_force(*snapshot, clock_()) ? 1 : 0);
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
