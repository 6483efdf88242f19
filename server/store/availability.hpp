// availability.hpp: subjects that await a newer certificate, and what became of their waiting.
// Platform sessions. Whom to ask, and when, is for server/platform/availability.hpp to say.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "server/redacted.hpp"
#include "server/store/watching.hpp"

namespace server {

// A subject for whom it is time to ask whether there is a certificate after the one that lapsed.
struct DueCheck {
  std::string institution_id;
  std::string subject_id;
  std::int32_t checks = 0;  // that were answered "not yet"
  std::optional<pki::Time> lapsed_at;
  std::string certificate_id;  // the watched one
  IssuerKeyHash issuer{};
  Redacted<std::vector<std::uint8_t>> serial;
  std::string consent_id;  // an active one to ask under; empty: there is none
  std::string authority_consent_id;
};

// Takes up to `limit` subjects whose time has come, and puts their next check off until `again`, so
// that nobody else takes them meanwhile, and somebody does if this process ends. Commit before
// asking. Subjects that another server is taking are passed over.
[[nodiscard]] std::vector<DueCheck> claim_checks(Session& session, KeyRing& keys, pki::Time now,
                                                 pki::Time again, std::size_t limit);

// The authority has no newer certificate yet: many of them in one statement. Whose wait is another
// one than that which claim_checks() put off until then is left alone.
struct AnotherWait {
  const DueCheck* check = nullptr;
  pki::Time until;
};
void wait_longer(Session& session, std::span<const AnotherWait> waits, pki::Time claimed_until);

// Locks the subject. Nothing if it does not wait any more for what comes after that certificate;
// else its version.
[[nodiscard]] std::optional<std::int32_t> lock_waiting(Session& session, const DueCheck& check);

// --- after lock_waiting, in its transaction ---

enum class Counted : std::uint8_t { no, yes };  // as an answer that there is none
void wait_longer(Session& session, const DueCheck& check, pki::Time until, Counted counted);

// There is a newer certificate, but it has lapsed, too: that one's successor is asked for.
void watch_lapsed_successor(Session& session, const DueCheck& check,
                            const std::string& certificate_id, pki::Time next_check);

// There is a newer certificate: subject.update_available, and audit.
void make_available(Session& session, const DueCheck& check, std::int32_t version,
                    const std::string& certificate_id, pki::Time now);

// Nobody will ask any more: subject.update_lapsed for the consents that are active, and audit.
void make_lapsed(Session& session, const DueCheck& check, std::int32_t version, pki::Time now);

}  // namespace server
