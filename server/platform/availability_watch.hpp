// availability_watch.hpp: asks the authority for the certificates after those that lapsed, in a
// thread and over connections of its own: however many are due, and however slow the authority is,
// change detection (watcher.hpp) does not wait for it.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "server/platform/availability.hpp"
#include "server/platform/job_thread.hpp"
#include "server/snapshot_keeper.hpp"

namespace server {

class AuthorityLink;

// Any number of servers may run one on the same database.
class AvailabilityWatch {
 public:
  // `config` has [database] and [authority]. All arguments live longer. Nothing is done, and no
  // connection made, before start().
  AvailabilityWatch(const Config& config, const IssuerSet& issuers, const SnapshotKeeper& keeper,
                    std::function<pki::Time()> clock, OnConsentEnded on_consent_ended);
  ~AvailabilityWatch();
  void start() { job_.start(); }
  // What is being asked is given up, and asked again in a few minutes by whoever runs then.
  void request_stop() { job_.request_stop(); }
  // Returns once the thread has ended.
  void stop() { job_.stop(); }

  // tashika_availability_*, tashika_authority_* of its link. Any thread.
  void describe(MetricsText& text) const;

 private:
  struct Authority;
  void ask_due(Connection& connection, KeyRing& keys, const std::stop_token& stop);

  const Config& config_;
  const SnapshotKeeper& keeper_;
  const std::function<pki::Time()> clock_;
  const OnConsentEnded on_consent_ended_;
  std::vector<WatchedIssuer> issuers_;    // as in the set
  std::unique_ptr<Authority> authority_;  // of the thread alone

  mutable std::mutex mutex_;
  // Protected by mutex_:
  std::shared_ptr<const AuthorityLink> link_;
  AvailabilityChecks::Counts counts_;

  JobThread job_;  // the last: it uses the others
};

}  // namespace server
