#include "server/platform/availability.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "server/log.hpp"
#include "server/platform/consent_changes.hpp"
#include "server/store/sealing.hpp"

namespace server {
namespace {

namespace asio = boost::asio;

constexpr std::size_t kClaim = 64;
constexpr std::size_t kAtOnce = 8;
constexpr std::chrono::minutes kClaimFor{5};
// After an answer that leads to another question. Not at once: an authority that answers in a
// circle must not be asked without end.
constexpr std::chrono::seconds kAskAgain{1};
// Where detection works with newer lists than we have: mostly they are on their way.
constexpr std::chrono::seconds kListsBehind{5};
constexpr int kAttempts = 3;  // if others are in the way

std::uint32_t dice() {
  std::array<std::uint8_t, sizeof(std::uint32_t)> octets{};
  fill_random(octets);
  std::uint32_t out = 0;
  for (const std::uint8_t octet : octets) out = out << 8 | octet;
  return out;
}

}  // namespace

std::chrono::seconds check_pause(const ConsentConfig& config, std::int32_t checks,
                                 std::uint32_t thrown) {
  constexpr std::int32_t kDoublingsMax = 20;
  const std::int64_t longest = std::chrono::seconds{config.last_check}.count();
  const std::int64_t pause =
      std::min(longest, config.first_check.count() << std::clamp(checks, 0, kDoublingsMax));
  const std::int64_t spread = pause / 5;
  return std::chrono::seconds{
      std::max<std::int64_t>(1, pause - (spread > 0 ? thrown % (spread + 1) : 0))};
}

AvailabilityChecks::AvailabilityChecks(const ConsentConfig& config, asio::io_context& io,
                                       FourInformationGateway& gateway, OnConsentEnded on_ended)
    : config_(config), io_(io), gateway_(gateway), on_ended_(std::move(on_ended)) {}

AvailabilityChecks::Counts AvailabilityChecks::run(Connection& connection, KeyRing& keys,
                                                   const std::vector<Issuer>& issuers,
                                                   const std::function<pki::Time()>& clock) {
  const pki::Time now = clock();
  std::vector<DueCheck> due;
  {
    Session session(connection);
    due = claim_checks(session, keys, now, now + kClaimFor, kClaim);
    session.commit();
  }
  Counts counts;
  std::vector<Asked> to_ask;
  for (const DueCheck& check : due) {
    if (!check.consent_id.empty()) {
      to_ask.push_back({&check, std::nullopt});
      continue;
    }
    Session session(connection);
    if (const auto version = lock_waiting(session, check)) {
      make_lapsed(session, check, *version, now);
      ++counts.lapsed;
    }
    session.commit();
  }
  if (to_ask.empty()) return counts;
  ask_all(to_ask);
  counts.asked = to_ask.size();
  const pki::Time answered = clock();
  const auto attempt = [](const std::string& consent, const auto& write) {
    for (int left = kAttempts - 1;; --left) {
      try {
        return write();
      } catch (const DatabaseUnavailable&) {
        throw;
      } catch (const Conflict&) {
        if (left > 0) continue;
        log(Level::warning, "availability_not_recorded",
            {{"consent", consent}, {"error", "others were in the way; asked again in minutes"}});
      } catch (const std::exception& error) {  // its own trouble, and nobody else's
        log(Level::error, "availability_not_recorded",
            {{"consent", consent}, {"error", error.what()}});
      }
      return;
    }
  };
  for (const Asked& asked : to_ask) {
    if (is_plain_wait(asked, answered)) continue;
    attempt(asked.check->consent_id, [&] {
      Counts with_it = counts;
      record(connection, keys, issuers, asked, answered, with_it);
      counts = with_it;
    });
  }
  attempt("those that wait on",
          [&] { record_waiting(connection, to_ask, now + kClaimFor, answered); });
  return counts;
}

void AvailabilityChecks::ask_all(std::vector<Asked>& all) {
  std::size_t next = 0;
  bool has_failed = false;
  std::size_t running = std::min(kAtOnce, all.size());
  std::exception_ptr bug;
  for (std::size_t i = running; i > 0; --i) {
    asio::co_spawn(io_, ask_some(all, next, has_failed), [&](const std::exception_ptr& error) {
      --running;
      if (error) bug = error;
    });
  }
  // Not until it runs out of work: the gateway keeps connections open.
  io_.restart();
  while (running > 0) io_.run_one();
  if (bug) std::rethrow_exception(bug);
}

asio::awaitable<void> AvailabilityChecks::ask_some(std::vector<Asked>& all, std::size_t& next,
                                                   bool& has_failed) {
  // An authority that is away ends the round: the rest would wait for the same.
  while (next < all.size() && !has_failed) {
    Asked& one = all[next++];
    // It has a name because g++ 12 destroys a braced temporary of a co_await expression twice.
    const CertificateName lapsed{one.check->issuer, one.check->serial};
    try {
      one.answer = co_await gateway_.newer_certificate(one.check->authority_consent_id, lapsed);
    } catch (const AuthorityUnavailable& error) {
      one.was_rejected = is_about_the_question(error.reason());
      has_failed = has_failed || !one.was_rejected;
      log(Level::warning, one.was_rejected ? "newer_certificate_rejected" : "authority_unavailable",
          {{"consent", one.check->consent_id}, {"error", error.what()}});
    }
  }
}

// The usual answer: there is none yet, and it is not time to give up.
bool AvailabilityChecks::is_plain_wait(const Asked& asked, pki::Time now) const {
  return asked.answer && std::holds_alternative<AwaitingCertificate>(*asked.answer) &&
         !(asked.check->lapsed_at && now >= *asked.check->lapsed_at + config_.give_up);
}

void AvailabilityChecks::record_waiting(Connection& connection, std::span<const Asked> all,
                                        pki::Time claimed_until, pki::Time now) const {
  std::vector<AnotherWait> waits;
  for (const Asked& asked : all) {
    if (!is_plain_wait(asked, now)) continue;
    waits.push_back({asked.check, now + check_pause(config_, asked.check->checks, dice())});
  }
  if (waits.empty()) return;
  Session session(connection);
  wait_longer(session, waits, claimed_until);
  session.commit();
}

void AvailabilityChecks::record(Connection& connection, KeyRing& keys,
                                const std::vector<Issuer>& issuers, const Asked& asked,
                                pki::Time now, Counts& counts) {
  const DueCheck& check = *asked.check;
  const bool was_ended = tell_if_ended(connection, asked, now);
  Session session(connection);
  if (!asked.answer) {
    record_unanswered(session, asked, now, counts);
  } else if (const auto* newer = std::get_if<NewerCertificate>(&*asked.answer)) {
    const auto issuer = std::ranges::find_if(issuers, [&](const Issuer& one) {
      return one.watched->key_hash == newer->certificate.issuer_key_hash;
    });
    if (issuer == issuers.end()) {
      log(Level::error, "newer_certificate_of_unknown_issuer", {{"consent", check.consent_id}});
      record_none(session, check, now, counts);
    } else {
      record_newer(session, keys, *issuer, asked, now, counts);
    }
  } else if (was_ended) {  // the next check is under another consent, or there is none
    if (lock_waiting(session, check)) wait_longer(session, check, now + kAskAgain, Counted::no);
  } else {
    record_none(session, check, now, counts);
  }
  session.commit();
}

void AvailabilityChecks::record_unanswered(Session& session, const Asked& asked, pki::Time now,
                                           Counts& counts) {
  if (asked.was_rejected) {
    ++counts.rejected;
    return record_none(session, *asked.check, now, counts);
  }
  ++counts.unavailable;
  if (lock_waiting(session, *asked.check)) {
    wait_longer(session, *asked.check, now + check_pause(config_, 0, dice()), Counted::no);
  }
}

// True if the consent has ended, and somebody took that up.
bool AvailabilityChecks::tell_if_ended(Connection& connection, const Asked& asked, pki::Time now) {
  if (!asked.answer) return false;
  const auto* refusal = std::get_if<AuthorityRefusal>(&*asked.answer);
  if (refusal == nullptr) return false;
  const bool has_ended = *refusal == AuthorityRefusal::consent_withdrawn ||
                         *refusal == AuthorityRefusal::consent_expired;
  if (has_ended && on_ended_) {
    on_ended_(connection, {asked.check->institution_id, asked.check->consent_id, *refusal}, now);
    return true;
  }
  log(Level::warning, "newer_certificate_refused",
      {{"consent", asked.check->consent_id}, {"why", to_string(*refusal)}});
  return false;
}

void AvailabilityChecks::record_newer(Session& session, KeyRing& keys, const Issuer& issuer,
                                      const Asked& asked, pki::Time now, Counts& counts) {
  const DueCheck& check = *asked.check;
  const auto& newer = std::get<NewerCertificate>(*asked.answer);
  const std::vector<std::uint8_t>& serial = newer.certificate.serial.reveal();
  std::optional<CheckedStatus> checked;
  try {
    checked = check_for_watch(session, *issuer.watched, *issuer.known, serial);
  } catch (const IssuerBehind&) {  // asked again, once the lists are here
  }
  const auto version = lock_waiting(session, check);
  if (!version) return;
  if (!checked) {
    const std::chrono::seconds known_for = now - check.lapsed_at.value_or(now);
    const auto pause = std::min(check_pause(config_, 0, dice()), std::max(kListsBehind, known_for));
    wait_longer(session, check, now + pause, Counted::no);
    return;
  }
  const HeldCertificate held = hold_or_add_certificate(
      session, keys,
      {check.institution_id, check.subject_id, issuer.watched->key_hash, serial,
       latest_end(*issuer.config, newer.issued_at), checked->status, checked->generation},
      now);
  const std::string& id = held.certificate.certificate_id;
  const CertificateStatus status = held.certificate.status;
  std::vector<AuditEntry> audit;
  if (!held.is_new) {  // the person showed it to the institution before, as somebody new
    audit = supersede_replaced(session, check.institution_id, id, check.subject_id, now);
  }
  if (id == check.certificate_id) {
    record_none(session, check, now, counts);
  } else if (status == CertificateStatus::revoked || status == CertificateStatus::expired) {
    watch_lapsed_successor(session, check, id, now + kAskAgain);
  } else {
    make_available(session, check, *version, id, now);
    ++counts.available;
  }
  for (const AuditEntry& entry : audit) append_audit(session, now, entry, check.institution_id);
}

void AvailabilityChecks::record_none(Session& session, const DueCheck& check, pki::Time now,
                                     Counts& counts) {
  const auto version = lock_waiting(session, check);
  if (!version) return;
  if (check.lapsed_at && now >= *check.lapsed_at + config_.give_up) {
    make_lapsed(session, check, *version, now);
    ++counts.lapsed;
    return;
  }
  wait_longer(session, check, now + check_pause(config_, check.checks, dice()), Counted::yes);
}

}  // namespace server
