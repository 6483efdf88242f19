// watcher.hpp: the server's own eye on what is watched, in a thread of its own: detects what an
// ingest published and could not detect itself, lets certificates expire, asks the authority for
// the certificates after those that lapsed, and tells institutions when an issuer's lists have run
// out.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "server/issuer_set.hpp"
#include "server/metrics.hpp"
#include "server/platform/availability.hpp"
#include "server/platform/detection.hpp"
#include "server/snapshot_keeper.hpp"

namespace server {

// Any number of servers may run one on the same database.
class Watcher {
 public:
  // All arguments live longer. Nothing is done, and no connection made, before start().
  Watcher(const Config& config, const IssuerSet& issuers, const SnapshotKeeper& keeper,
          std::function<pki::Time()> clock, OnConsentEnded on_consent_ended = {});
  ~Watcher();
  void start();
  // Returns once the thread has ended; a batch that runs is finished before.
  void stop();

  // How far detection is behind, and what it found. Any thread.
  void describe(MetricsText& text) const;

 private:
  struct Issuer {
    WatchedIssuer watched;
    IndexDirectory directory;
    std::optional<std::uint64_t> version;  // of the IssuerSnapshot that was dealt with last
    std::optional<bool> was_stale;         // what the institutions were told, if we know
  };
  struct Figures {
    std::vector<DetectionFigures> issuers;
    std::uint64_t awaiting = 0;
    AvailabilityChecks::Counts checks;
    bool is_reachable = false;
  };

  void work();
  void look(Connection& connection, KeyRing& keys);
  void detect(Connection& connection, KeyRing& keys, Issuer& issuer, const IssuerSnapshot& known);
  void tell(Connection& connection, Issuer& issuer, const IssuerSnapshot& known);
  void check_availability(Connection& connection, KeyRing& keys, const Snapshot& snapshot);
  void measure(Connection& connection);
  void say_trouble(const std::string& trouble);

  const Config& config_;
  const IssuerSet& set_;
  const SnapshotKeeper& keeper_;
  const std::function<pki::Time()> clock_;
  const OnConsentEnded on_consent_ended_;
  std::vector<Issuer> issuers_;  // as in the set
  std::string trouble_;          // said last
  std::uint32_t looks_ = 0;
  // Of the authority, if there is one; used by the thread alone.
  struct Authority;
  std::unique_ptr<Authority> authority_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  // Protected by mutex_:
  Figures figures_;
  bool ending_ = false;

  std::thread thread_;
};

}  // namespace server
