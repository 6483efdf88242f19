// watcher.hpp: the server's own eye on what is watched, in a thread of its own: detects what an
// ingest published and could not detect itself, lets certificates expire, and tells institutions
// when an issuer's lists have run out. It waits for nobody but the database.
#pragma once

#include <mutex>
#include <optional>
#include <vector>

#include "server/issuer_set.hpp"
#include "server/metrics.hpp"
#include "server/platform/detection.hpp"
#include "server/platform/job_thread.hpp"
#include "server/snapshot_keeper.hpp"

namespace server {

// Any number of servers may run one on the same database.
class Watcher {
 public:
  // `config` has [database]. All arguments live longer. Nothing is done, and no connection made,
  // before start().
  Watcher(const Config& config, const IssuerSet& issuers, const SnapshotKeeper& keeper,
          std::function<pki::Time()> clock);
  void start() { job_.start(); }
  // A batch that runs is finished; whoever runs next goes on from there.
  void request_stop() { job_.request_stop(); }
  // Returns once the thread has ended.
  void stop() { job_.stop(); }

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
  };

  void look(Connection& connection, KeyRing& keys, const std::stop_token& stop);
  void detect(Connection& connection, KeyRing& keys, Issuer& issuer, const IssuerSnapshot& known,
              const std::stop_token& stop);
  void tell(Connection& connection, Issuer& issuer, const IssuerSnapshot& known);
  void expire(Connection& connection, const Snapshot& snapshot, const std::stop_token& stop);
  void measure(Connection& connection);

  const SnapshotKeeper& keeper_;
  const std::function<pki::Time()> clock_;
  std::vector<Issuer> issuers_;        // as in the set
  std::optional<bool> was_borne_out_;  // the clock, by lists in force
  std::uint32_t looks_ = 0;

  mutable std::mutex mutex_;
  Figures figures_;  // protected by mutex_

  JobThread job_;  // the last: it uses the others
};

}  // namespace server
