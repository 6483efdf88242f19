#include "server/platform/consent_changes.hpp"

#include <fmt/format.h>

#include <stdexcept>

#include "libpki/japan_time.hpp"
#include "server/store/consent_tokens.hpp"
#include "server/store/idempotency.hpp"

namespace server {
namespace {

EventType event_of(ConsentStatus status) {
  switch (status) {
    case ConsentStatus::active: return EventType::consent_activated;
    case ConsentStatus::withdrawn: return EventType::consent_withdrawn;
    case ConsentStatus::expired: return EventType::consent_expired;
    case ConsentStatus::superseded: return EventType::consent_superseded;
    case ConsentStatus::rejected: return EventType::consent_rejected;
    case ConsentStatus::pending: break;
  }
  throw std::logic_error("a consent does not become pending");
}

}  // namespace

nlohmann::ordered_json status_reason_json(const std::optional<StatusReason>& reason) {
  if (!reason) return nullptr;
  return {{"initiated_by", reason->initiated_by},
          {"code", reason->code},
          {"at", pki::time_to_rfc3339(reason->at)}};
}

void put_consent_event(Session& session, const Consent& consent, EventType type, pki::Time now) {
  Event event;
  event.type = type;
  event.consent_id = consent.consent_id;
  event.subject_id = consent.subject_id;
  event.occurred_at = now;
  event.institution_id = consent.institution_id;
  event.members = {{"consent_version", consent.version}};
  if (consent.reason) event.members["status_reason"] = status_reason_json(consent.reason);
  if (consent.replaced_by) event.members["replaced_by"] = *consent.replaced_by;
  if (consent.valid_until) {
    event.members["valid_until"] = pki::time_to_rfc3339(*consent.valid_until);
  }
  put_event(session, event);
}

bool end_locked_consent(Session& session, Consent& consent, const ConsentEnding& ending,
                        pki::Time now) {
  if (consent.status != ConsentStatus::pending && consent.status != ConsentStatus::active) {
    return false;
  }
  consent.relay_at.reset();
  if (ending.relay == ConsentEnding::Relay::yes) consent.relay_at = now;
  end_consent(session, consent, ending.status, ending.reason);
  revoke_tokens(session, consent.institution_id, consent.consent_id, now);
  forget_disclosed(session, consent.institution_id, consent.consent_id);
  put_consent_event(session, consent, event_of(ending.status), now);
  return true;
}

ConsentEnding ending_by_authority(AuthorityRefusal why, pki::Time now) {
  if (why == AuthorityRefusal::consent_expired) {
    return {ConsentStatus::expired, {"authority", "validity_ended", now}, ConsentEnding::Relay::no};
  }
  return {ConsentStatus::withdrawn,
          {"subject", "withdrawn_by_subject_at_authority", now},
          ConsentEnding::Relay::no};
}

AuditEntry audit_of(const Consent& consent, const std::string& actor, const std::string& verb) {
  nlohmann::ordered_json detail = {{"version", consent.version},
                                   {"status", to_string(consent.status)}};
  if (consent.reason) detail["reason"] = consent.reason->code;
  return {actor, verb, consent.consent_id, detail.dump()};
}

std::vector<AuditEntry> supersede_replaced(Session& session, const std::string& institution_id,
                                           const std::string& certificate_id,
                                           const std::string& subject_id, pki::Time now) {
  std::vector<AuditEntry> audit;
  for (const ReplacedConsent& one :
       replaced_consents(session, institution_id, certificate_id, subject_id)) {
    auto locked = lock_consent(session, institution_id, one.consent_id);
    if (!locked) continue;
    Consent& consent = locked->consent;
    consent.replaced_by = one.replaced_by;
    const ConsentEnding ending{
        ConsentStatus::superseded, {"platform", "replaced", now}, ConsentEnding::Relay::no};
    if (!end_locked_consent(session, consent, ending, now)) continue;
    audit.push_back(audit_of(consent, "platform", "consent.superseded"));
  }
  return audit;
}

bool end_consent_by_name(Session& session, const ConsentName& name, const ConsentEnding& ending,
                         const std::string& actor, pki::Time now) {
  auto locked = lock_consent(session, name.institution_id, name.consent_id);
  if (!locked || !end_locked_consent(session, locked->consent, ending, now)) return false;
  append_audit(
      session, now,
      audit_of(locked->consent, actor, fmt::format("consent.{}", to_string(ending.status))),
      name.institution_id);
  return true;
}

}  // namespace server
