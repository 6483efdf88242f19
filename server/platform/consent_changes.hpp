// consent_changes.hpp: what happens when a consent's status changes: row, tokens, event, audit, in
// the caller's transaction. Services, jobs and whoever hears of a withdrawal from the authority all
// come here, so that no way leaves one of them out.
#pragma once

#include <string>
#include <vector>

#include "server/store/audit.hpp"
#include "server/store/consents.hpp"
#include "server/store/feed.hpp"
#include "server/upstream/gateways.hpp"

namespace server {

struct ConsentEnding {
  ConsentStatus status = ConsentStatus::withdrawn;
  StatusReason reason;
  enum class Relay : std::uint8_t { no, yes };
  Relay relay = Relay::no;  // is the authority to be told?
};

// Of a consent that we took for active, by what the authority says of it: consent_expired, or else
// consent_withdrawn.
[[nodiscard]] ConsentEnding ending_by_authority(AuthorityRefusal why, pki::Time now);

// Ends a consent that is pending or active; false, and nothing done, if it has ended. `consent` is
// as it is then. The audit row is the caller's to append, at the transaction's end.
bool end_locked_consent(Session& session, Consent& consent, const ConsentEnding& ending,
                        pki::Time now);
[[nodiscard]] AuditEntry audit_of(const Consent& consent, const std::string& actor,
                                  const std::string& verb);

// All of it, with the audit row: for jobs and for what the authority says. False if there is no
// such consent, or it has ended.
bool end_consent_by_name(Session& session, const ConsentName& name, const ConsentEnding& ending,
                         const std::string& actor, pki::Time now);

// Several subjects turned out to be one person, since they watch the same certificate, or are about
// to (`subject_id`): of their consents for one service the latest stays. Comes before the audit
// rows; those that it returns are the caller's to append. Locks subjects out of order: where that
// ends in a Conflict, all is done again.
[[nodiscard]] std::vector<AuditEntry> supersede_replaced(Session& session,
                                                         const std::string& institution_id,
                                                         const std::string& certificate_id,
                                                         const std::string& subject_id,
                                                         pki::Time now);

// Puts the event about one consent; consent_version and status_reason are added.
void put_consent_event(Session& session, const Consent& consent, EventType type, pki::Time now);

// {initiated_by, code, at}, or null.
[[nodiscard]] nlohmann::ordered_json status_reason_json(const std::optional<StatusReason>& reason);

}  // namespace server
