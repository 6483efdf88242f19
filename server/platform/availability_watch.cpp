#include "server/platform/availability_watch.hpp"

#include <boost/asio/post.hpp>

#include "server/platform/pause.hpp"
#include "server/upstream/authority_client.hpp"
#include "server/upstream/authority_metrics.hpp"

namespace server {

struct AvailabilityWatch::Authority {
  Authority(const Config& config, std::shared_ptr<AuthorityLink> link,
            const OnConsentEnded& on_ended)
      : client(io.get_executor(), std::move(link)), checks(config.consent, io, client, on_ended) {}

  boost::asio::io_context io;
  AuthorityClient client;
  AvailabilityChecks checks;
};

AvailabilityWatch::AvailabilityWatch(const Config& config, const IssuerSet& issuers,
                                     const SnapshotKeeper& keeper, std::function<pki::Time()> clock,
                                     OnConsentEnded on_consent_ended)
    : config_(config),
      keeper_(keeper),
      clock_(std::move(clock)),
      on_consent_ended_(std::move(on_consent_ended)),
      job_("availability", by_index(*config.database), clock_,
           [this](Connection& connection, KeyRing& keys, const std::stop_token& stop) {
             ask_due(connection, keys, stop);
           }) {
  for (const ServedIssuer& issuer : issuers.issuers) {
    issuers_.push_back(watched_issuer(issuer.config.name, issuer.certificate->certificate));
  }
}

AvailabilityWatch::~AvailabilityWatch() = default;

// Until nobody is due, or the authority is away.
void AvailabilityWatch::ask_due(Connection& connection, KeyRing& keys,
                                const std::stop_token& stop) {
  if (!authority_) {
    auto link = std::make_shared<AuthorityLink>(*config_.authority, 1);
    authority_ = std::make_unique<Authority>(config_, link, on_consent_ended_);
    const std::lock_guard lock(mutex_);
    link_ = std::move(link);
  }
  const std::stop_callback give_up(
      stop, [this] { boost::asio::post(authority_->io, [this] { authority_->client.close(); }); });
  using Clock = std::chrono::steady_clock;
  while (!stop.stop_requested()) {
    const auto began = Clock::now();
    // Each round with the lists of now: old ones would not do once detection has gone on.
    const auto snapshot = keeper_.current();
    if (!are_lists_in_force(*snapshot, clock_())) return;  // who has waited too long?
    std::vector<AvailabilityChecks::Issuer> issuers;
    for (std::size_t i = 0; i < issuers_.size(); ++i) {
      issuers.push_back({&issuers_[i], &snapshot->issuers[i], &config_.issuers[i]});
    }
    const auto counts = authority_->checks.run(connection, keys, issuers, clock_);
    {
      const std::lock_guard lock(mutex_);
      counts_.asked += counts.asked;
      counts_.available += counts.available;
      counts_.lapsed += counts.lapsed;
      counts_.rejected += counts.rejected;
      counts_.unavailable += counts.unavailable;
    }
    if (counts.unavailable > 0 || counts.asked + counts.lapsed == 0) return;
    // A day's revocations come at once. The authority, and those who read the news of them, are
    // spared: what the questions of this round may take, it takes.
    const std::chrono::milliseconds due{1000 * counts.asked / config_.authority->checks_per_second};
    const auto took = std::chrono::floor<std::chrono::milliseconds>(Clock::now() - began);
    if (took < due) pause(stop, due - took);
  }
}

void AvailabilityWatch::describe(MetricsText& text) const {
  AvailabilityChecks::Counts counts;
  std::shared_ptr<const AuthorityLink> link;
  {
    const std::lock_guard lock(mutex_);
    counts = counts_;
    link = link_;
  }
  const auto checks = [&](const char* outcome, std::uint64_t count) {
    text.counter("tashika_availability_checks_total",
                 "Questions to the authority for a newer certificate, and what came of them.",
                 {{"outcome", outcome}}, static_cast<double>(count));
  };
  checks("asked", counts.asked);
  checks("available", counts.available);
  checks("lapsed", counts.lapsed);
  checks("rejected", counts.rejected);
  checks("authority_unavailable", counts.unavailable);
  job_.describe(text);
  if (link) add_authority_metrics(*link, "checks", CircuitBreaker::Clock::now(), text);
}

}  // namespace server
