// consents.hpp: rows of the table `consent`. Every function works in a session of the institution
// and in the platform's, since it names the institution; who decides is
// server/platform/consent_service.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libpki/asn1_time.hpp"
#include "server/store/connection.hpp"
#include "server/store/subjects.hpp"

namespace server {

enum class ConsentStatus : std::uint8_t {
  pending,
  active,
  withdrawn,
  expired,
  superseded,
  rejected
};
[[nodiscard]] std::string_view to_string(ConsentStatus status);
[[nodiscard]] std::optional<ConsentStatus> consent_status_from(std::string_view name);

// Why a consent is as it is: {initiated_by: subject | institution | platform | authority, code,
// at}.
struct StatusReason {
  std::string initiated_by;
  std::string code;
  pki::Time at;
};

struct Consent {
  std::string institution_id;
  std::string consent_id;
  std::string subject_id;
  std::string service_id;
  std::int32_t version = 1;  // raised by every change of status
  ConsentStatus status = ConsentStatus::pending;
  std::optional<StatusReason> reason;
  std::optional<std::string> replaced_by;
  std::vector<std::string> scopes;  // "attr:name", …; in the order of the four items
  std::string purpose;
  std::string notice_version;
  std::string notice_language;
  std::vector<std::uint8_t> notice_sha256;
  std::string channel;
  std::vector<std::uint8_t> customer_ref_sealed;  // empty: none
  std::string evidence_format;
  std::string signed_with;  // certificate_id
  pki::Time consented_at;
  pki::Time received_at;
  std::optional<pki::Time> reflected_at;  // at the authority
  std::optional<std::string> authority_consent;
  std::optional<pki::Time> valid_from;
  std::optional<pki::Time> valid_until;  // the last second
  std::optional<pki::Time> relay_at;     // when the authority is to be told (again)
  std::int32_t relay_attempts = 0;
  // The certificate all of whose consented items were given; and a newer one, with those of its
  // items that were given.
  std::string known_certificate;
  std::optional<std::string> newer_certificate;
  std::vector<std::string> newer_items;
};

struct EvidenceHashes {
  std::vector<std::uint8_t> evidence_sha256;
  std::vector<std::uint8_t> nonce_sha256;
};

// A row lock. `share` and `update` exclude each other: a query holds the first and a withdrawal the
// second, so that one of them sees what the other did. (FOR KEY SHARE would not do: measured.)
enum class RowLock : std::uint8_t { none, share, update };

// Throws AlreadyThere if the evidence or the nonce was used before.
void insert_consent(Session& session, const Consent& consent, const EvidenceHashes& hashes,
                    pki::Time now);

[[nodiscard]] std::optional<Consent> find_consent(Session& session,
                                                  const std::string& institution_id,
                                                  const std::string& consent_id,
                                                  RowLock lock = RowLock::none);
// A consent and its subject with their rows locked, in the order of all.
struct LockedConsent {
  Subject subject;
  Consent consent;
};
[[nodiscard]] std::optional<LockedConsent> lock_consent(Session& session,
                                                        const std::string& institution_id,
                                                        const std::string& consent_id);
// The active consent of that person for that service. Locks the row.
[[nodiscard]] std::optional<Consent> lock_active_consent(Session& session,
                                                         const std::string& institution_id,
                                                         const std::string& subject_id,
                                                         const std::string& service_id);
// Ids, in order: whom an event about the subject is told for.
[[nodiscard]] std::vector<std::string> active_consents_of(Session& session,
                                                          const std::string& institution_id,
                                                          const std::string& subject_id);

// Several subjects are one person if they watch the same certificate (server/platform/availability
// says how that comes). Among the active consents of those who watch this one, and of `subject_id`,
// which is about to: those that have a later one for the same service.
struct ReplacedConsent {
  std::string consent_id;
  std::string replaced_by;
};
[[nodiscard]] std::vector<ReplacedConsent> replaced_consents(Session& session,
                                                             const std::string& institution_id,
                                                             const std::string& certificate_id,
                                                             const std::string& subject_id);
// As whom the institution knows the person for that service: the subject of the latest consent that
// is pending or active, of those who watch the certificate. Nothing: there is no such consent.
[[nodiscard]] std::optional<std::string> subject_of_service(Session& session,
                                                            const std::string& institution_id,
                                                            const std::string& certificate_id,
                                                            const std::string& service_id);

// By the authority's name for it, in all institutions. Platform session.
[[nodiscard]] std::optional<Consent> find_consent_at_authority(
    Session& session, const std::string& authority_consent);

// After `after` (an id, or empty), in the order of ids.
[[nodiscard]] std::vector<Consent> list_consents(Session& session,
                                                 const std::string& institution_id,
                                                 std::optional<ConsentStatus> status,
                                                 const std::string& after, std::uint32_t limit);

// pending → active, with what the authority said; the version rises. The row is locked by the
// caller. Writes `consent` as the row is then.
void activate_consent(Session& session, Consent& consent);
// pending or active → what `status` says; the version rises, and `relay_at` is set. The row is
// locked by the caller.
void end_consent(Session& session, Consent& consent, ConsentStatus status,
                 const StatusReason& reason);
void set_authority_consent(Session& session, const Consent& consent,
                           const std::string& authority_consent);
// When the authority is told again; nothing: never.
void set_relay(Session& session, const Consent& consent, std::optional<pki::Time> at,
               std::int32_t attempts);

// Until the transaction ends, nobody else decides what the authority's consent of that name is
// here: a withdrawal that is heard of before the registration was written down is not lost.
void lock_authority_consent(Session& session, const std::string& authority_consent);

[[nodiscard]] bool is_service_active(Session& session, const std::string& institution_id,
                                     const std::string& service_id);

// --- what is due, over all institutions: platform sessions ---

// Consents whose registration or withdrawal is to be told to the authority; pushed to `again` in
// the same statement, so that two servers never do the same work at once.
[[nodiscard]] std::vector<Consent> claim_relays(Session& session, pki::Time now, pki::Time again,
                                                std::uint32_t limit);
struct ConsentName {
  std::string institution_id;
  std::string consent_id;
};
// Active ones whose term is over.
[[nodiscard]] std::vector<ConsentName> consents_past_term(Session& session, pki::Time now,
                                                          std::uint32_t limit);
// Pending ones that were received before `before`.
[[nodiscard]] std::vector<ConsentName> consents_unconfirmed(Session& session, pki::Time before,
                                                            std::uint32_t limit);
// Pending and active ones of services that have ended.
[[nodiscard]] std::vector<ConsentName> consents_of_ended_services(Session& session,
                                                                  std::uint32_t limit);
// Active ones that end before `until` and whose institution was not told yet.
[[nodiscard]] std::vector<ConsentName> consents_ending(Session& session, pki::Time until,
                                                       std::uint32_t limit);
// Marks it as told; false if somebody else did.
bool mark_expiry_told(Session& session, const Consent& consent);

}  // namespace server
