#include "server/platform/detection.hpp"

#include <fmt/format.h>

#include "server/log.hpp"

namespace server {
namespace {

GenerationName name_of(const OpenGeneration& generation) {
  return {generation.view.number(), generation.head().index.reference().checksum};
}

// Another transaction may be in the way of a batch; each is whole in itself.
template <class Batch>
auto retried(Batch&& batch) {
  constexpr int kAttempts = 5;
  for (int attempt = 1;; ++attempt) {
    try {
      return batch();
    } catch (const Conflict&) {
      if (attempt == kAttempts) throw;
    }
  }
}

// Holds the detection lock of an issuer for as long as it lives.
class DetectionLock {
 public:
  DetectionLock(Connection& connection, const IssuerKeyHash& issuer)
      : connection_(connection), issuer_(issuer) {
    Session session(connection_);
    is_held_ = try_detection_lock(session, issuer_);
    session.commit();
  }
  ~DetectionLock() {
    if (!is_held_) return;
    try {
      Session session(connection_);
      release_detection_lock(session, issuer_);
      session.commit();
    } catch (const std::exception&) {  // it went with the connection
    }
  }
  DetectionLock(const DetectionLock&) = delete;
  DetectionLock& operator=(const DetectionLock&) = delete;
  [[nodiscard]] bool is_held() const { return is_held_; }

 private:
  Connection& connection_;
  const IssuerKeyHash issuer_;
  bool is_held_ = false;
};

// One way from one generation to another.
class Run {
 public:
  Run(Connection& connection, KeyRing& keys, const WatchedIssuer& issuer,
      std::shared_ptr<const OpenGeneration> to, const IssuerPosition& announced,
      const std::function<pki::Time()>& clock, const std::stop_token& stop)
      : connection_(connection),
        keys_(keys),
        issuer_(issuer),
        to_(std::move(to)),
        provenance_(to_->view.lists()),
        checked_(announced.checked(to_->view.number())),
        clock_(clock),
        stop_(stop) {
    row_.to = name_of(*to_);
    row_.started_at = clock_();
  }

  void by_difference(const OpenGeneration& from) {
    pki::diff(from.view, to_->view, [this](const pki::Difference& difference) {
      if (stop_.stop_requested()) return;
      serials_.push_back(difference.key);
      if (serials_.size() == kChangeBatch) join();
    });
    join();
  }

  void by_full_check() {
    WatchedCertificate last;
    while (!stop_.stop_requested() && retried([&] { return check_next(last); })) {
    }
    ++report_.full_checks;
  }

  // False if somebody else has gone on from where this began.
  bool finish(const GenerationName& from) {
    row_.from = from;
    row_.ended_at = clock_();
    row_.changed = report_.counts.all();
    row_.entries = report_.entries;
    return retried([&] {
      Session session(connection_);
      const bool is_ours = finish_detection(session, issuer_.key_hash, row_);
      session.commit();
      return is_ours;
    });
  }

  [[nodiscard]] const DetectionReport& report() const { return report_; }

 private:
  void decide(const WatchedCertificate& certificate, const pki::SerialKey& key, pki::Time now,
              std::vector<CertificateChange>& changes, std::uint64_t& came_back) const {
    Consequence found = consequence(certificate, listed_status(to_->view, provenance_, key), now);
    came_back += found.came_back ? 1 : 0;
    if (found.change) changes.push_back(*std::move(found.change));
  }

  // The serials that were gathered, with those that are watched.
  void join() {
    if (serials_.empty()) return;
    std::uint64_t came_back = 0;
    const ChangeCounts counts = retried([&] {
      came_back = 0;
      Session session(connection_);
      std::vector<std::vector<std::uint8_t>> macs;
      macs.reserve(serials_.size());
      for (const pki::SerialKey& key : serials_) {
        macs.push_back(keys_.serial_mac(session, issuer_.key_hash, key.to_der()));
      }
      const pki::Time now = clock_();
      std::vector<CertificateChange> changes;
      for (const FoundCertificate& found :
           find_watched(session, issuer_.key_hash, macs, checked_)) {
        decide(found.certificate, serials_[found.place], now, changes, came_back);
      }
      const ChangeCounts done = apply_changes(session, changes, checked_, now);
      session.commit();
      return done;
    });
    report_.entries += serials_.size();
    report_.counts += counts;
    report_.came_back += came_back;
    serials_.clear();
  }

  // The next certificates after `last`, which moves on. False at the end.
  bool check_next(WatchedCertificate& last) {
    Session session(connection_);
    const pki::Time now = clock_();
    const auto page = next_watched(session, issuer_.key_hash, last, checked_, kChangeBatch);
    std::vector<CertificateChange> changes;
    std::uint64_t came_back = 0;
    for (const SealedCertificate& sealed : page) {
      try {
        const auto serial =
            keys_.open_for(session, sealed.certificate.institution_id,
                           serial_place(sealed.certificate.certificate_id), sealed.serial_sealed);
        decide(sealed.certificate, pki::SerialKey::from_der(serial), now, changes, came_back);
      } catch (const SealBroken& error) {  // one damaged row must not keep all others from it
        log(Level::error, "serial_unreadable",
            {{"institution", sealed.certificate.institution_id},
             {"certificate", sealed.certificate.certificate_id},
             {"error", error.what()}});
      }
    }
    const ChangeCounts counts = apply_changes(session, changes, checked_, now);
    session.commit();
    report_.entries += page.size();
    report_.counts += counts;
    report_.came_back += came_back;
    if (page.empty()) return false;
    last = page.back().certificate;
    return true;
  }

  Connection& connection_;
  KeyRing& keys_;
  const WatchedIssuer& issuer_;
  const std::shared_ptr<const OpenGeneration> to_;
  const Provenance provenance_;
  const std::uint64_t checked_;  // what certificates are checked against here
  const std::function<pki::Time()>& clock_;
  const std::stop_token& stop_;
  DetectionRow row_;
  DetectionReport report_;
  std::vector<pki::SerialKey> serials_;
};

// The generation of that name, if it is still there.
std::shared_ptr<const OpenGeneration> open_named(const IndexDirectory& directory,
                                                 const GenerationName& name) {
  const auto path = directory.generation_path(name.number);
  if (name.number == 0 || !std::filesystem::exists(path)) return nullptr;
  try {
    const auto open = open_generation(path, Verify::head);
    return open && name_of(**open) == name ? *open : nullptr;
  } catch (const std::system_error&) {  // pruned while we looked
    return nullptr;
  }
}

IssuerPosition position_of(Connection& connection, const WatchedIssuer& issuer) {
  Session session(connection);
  auto position = read_position(session, issuer.key_hash);
  if (!position) {
    register_issuer(session, issuer.key_hash, issuer.name);
    position = read_position(session, issuer.key_hash);
  }
  session.commit();
  return position.value();
}

std::optional<IssuerPosition> announce_target(Connection& connection, const WatchedIssuer& issuer,
                                              const GenerationName& from,
                                              const GenerationName& target, Numbering numbering) {
  return retried([&] {
    Session session(connection);
    auto announced = announce(session, issuer.key_hash, from, target, numbering);
    session.commit();
    return announced;
  });
}

std::shared_ptr<const OpenGeneration> newest_of(const IndexDirectory& directory,
                                                const WatchedIssuer& issuer) {
  auto newest = directory.newest();
  if (newest && !pki::equal(newest->head().index.issuer_key_hash(), issuer.spki_hash)) {
    throw std::runtime_error(fmt::format("{} is the index of another key than the issuer {} has",
                                         directory.path().string(), issuer.name));
  }
  return newest;
}

void add(DetectionReport& total, const DetectionReport& step) {
  total.entries += step.entries;
  total.full_checks += step.full_checks;
  total.came_back += step.came_back;
  total.counts += step.counts;
}

}  // namespace

DatabaseConfig for_detection(DatabaseConfig config) {
  constexpr std::chrono::milliseconds kPatience = std::chrono::minutes{1};
  config.statement_timeout = std::max(config.statement_timeout, kPatience);
  return by_index(std::move(config));
}

DetectionReport detect_changes(Connection& connection, KeyRing& keys, const WatchedIssuer& issuer,
                               const IndexDirectory& directory,
                               const std::function<pki::Time()>& clock,
                               const std::stop_token& stop) {
  DetectionReport report;
  std::optional<DetectionLock> lock;
  for (bool is_first = true;; is_first = false) {
    const IssuerPosition at = position_of(connection, issuer);
    const auto newest = newest_of(directory, issuer);
    if (is_first) report.from = at.detected.number;
    if (!newest || name_of(*newest) == at.detected) break;
    if (!lock) {
      lock.emplace(connection, issuer.key_hash);
      if (!lock->is_held()) {
        report.kind = DetectionReport::Kind::at_work;
        return report;
      }
      continue;  // somebody may have been at it until just now
    }
    // A run that ended half way has changed some certificates to its target. What it did must be
    // finished before anything newer is looked at: a difference that passes over the target would
    // not show what is there and back again. A full check passes over nothing.
    auto from = open_named(directory, at.detected);
    auto to = at.target == at.detected ? newest : open_named(directory, at.target);
    if (!from || !to) {
      from = nullptr;
      to = newest;
    }
    // A base that is gone may have been of another numbering, whose numbers say nothing of these.
    const Numbering numbering =
        from || at.detected.number == 0 ? Numbering::goes_on : Numbering::begins_again;
    const auto announced =
        announce_target(connection, issuer, at.detected, name_of(*to), numbering);
    if (!announced) continue;
    Run run(connection, keys, issuer, to, *announced, clock, stop);
    if (from) {
      run.by_difference(*from);
    } else {
      run.by_full_check();
    }
    if (stop.stop_requested()) {
      report.kind = DetectionReport::Kind::stopped;
      return report;
    }
    if (!run.finish(at.detected)) continue;
    report.kind = DetectionReport::Kind::detected;
    report.to = to->view.number();
    add(report, run.report());
    const DetectionReport& step = run.report();
    log(step.came_back == 0 ? Level::info : Level::warning, "changes_detected",
        {{"issuer", issuer.name},
         {"from", at.detected.number},
         {"to", to->view.number()},
         {"full_check", step.full_checks > 0},
         {"entries", step.entries},
         {"revoked", step.counts.revoked},
         {"held", step.counts.held},
         {"released", step.counts.released},
         {"corrected", step.counts.corrected},
         {"revoked_but_unlisted", step.came_back}});
  }
  return report;
}

ChangeCounts expire_certificates(Connection& connection, pki::Time now,
                                 const std::stop_token& stop) {
  ChangeCounts total;
  for (bool is_full = true; is_full && !stop.stop_requested();) {
    std::vector<WatchedCertificate> over;  // nobody stands by them any more
    total += retried([&] {
      over.clear();
      Session session(connection);
      const auto ended = find_ended(session, now, kChangeBatch);
      is_full = ended.size() == kChangeBatch;
      std::vector<CertificateChange> changes;
      for (const WatchedCertificate& one : ended) {
        if (one.status == CertificateStatus::good || one.status == CertificateStatus::held) {
          changes.push_back({one, CertificateStatus::expired, one.revocation, now, {}});
        } else {
          over.push_back(one);
        }
      }
      const ChangeCounts done = apply_changes(session, changes, std::nullopt, now);
      session.commit();
      return done;
    });
    if (over.empty()) continue;
    retried([&] {
      Session session(connection);
      set_ended(session, over, now);
      session.commit();
    });
  }
  return total;
}

}  // namespace server
