#include "server/store/consents.hpp"

#include <array>

#include "server/store/consent_row.hpp"

namespace server {
namespace {

#define FIND_CONSENT \
  "SELECT " CONSENT_COLUMNS " FROM consent c WHERE institution_id = $1 AND consent_id = $2"

constexpr Statement kInsert{
    "consent_insert",
    "INSERT INTO consent (institution_id, consent_id, subject_id, service_id, status, scopes, "
    "purpose, notice_version, notice_language, notice_sha256, channel, customer_ref_sealed, "
    "evidence_format, evidence_sha256, nonce_sha256, signed_with, consented_at, received_at, "
    "relay_at, created_at, known_certificate) VALUES ($1, $2, $3, $4, 'pending', $5, $6, $7, $8, "
    "$9, $10, "
    "nullif($11, ''::bytea), $12, $13, $14, $15, $16, $17, $18, $19, $15)"};
// Rows are locked from left to right, and both are as they are then.
constexpr Statement kLockBoth{
    "consent_lock_both",
    "SELECT " CONSENT_COLUMNS ", " SUBJECT_COLUMNS
    " FROM subject s JOIN consent c ON c.institution_id = s.institution_id AND c.subject_id = "
    "s.subject_id WHERE c.institution_id = $1 AND c.consent_id = $2 FOR UPDATE OF s, c"};
constexpr std::array<Statement, 3> kFind{{{"consent_find", FIND_CONSENT},
                                          {"consent_share", FIND_CONSENT " FOR SHARE"},
                                          {"consent_lock", FIND_CONSENT " FOR UPDATE"}}};
constexpr Statement kActiveOf{
    "consent_active_of",
    "SELECT " CONSENT_COLUMNS
    " FROM consent c WHERE institution_id = $1 AND subject_id = $2 AND service_id = $3 "
    "AND status = 'active' FOR UPDATE"};
constexpr Statement kActiveIds{
    "consent_active_ids",
    "SELECT consent_id FROM consent WHERE institution_id = $1 AND subject_id = $2 AND status = "
    "'active' ORDER BY consent_id"};
constexpr Statement kReplaced{
    "consent_replaced",
    "WITH watching AS (SELECT subject_id FROM subject WHERE institution_id = $1 AND "
    "watched_certificate = $2 UNION SELECT $3), active AS (SELECT c.consent_id, c.subject_id, "
    "c.service_id, c.received_at FROM watching JOIN consent c ON c.institution_id = $1 AND "
    "c.subject_id = watching.subject_id AND c.status = 'active') SELECT DISTINCT ON "
    "(older.consent_id) older.consent_id, newer.consent_id FROM active older JOIN active newer ON "
    "newer.service_id = older.service_id AND newer.subject_id <> older.subject_id AND "
    "(newer.received_at, newer.consent_id) > (older.received_at, older.consent_id) ORDER BY "
    "older.consent_id, newer.received_at DESC, newer.consent_id DESC"};
constexpr Statement kSubjectOfService{
    "consent_subject_of_service",
    "SELECT s.subject_id FROM subject s JOIN consent c ON c.institution_id = s.institution_id AND "
    "c.subject_id = s.subject_id AND c.service_id = $3 AND c.status IN ('pending', 'active') WHERE "
    "s.institution_id = $1 AND s.watched_certificate = $2 ORDER BY c.received_at DESC, "
    "c.consent_id DESC LIMIT 1"};
constexpr Statement kAtAuthority{"consent_at_authority",
                                 "SELECT " CONSENT_COLUMNS
                                 " FROM consent c WHERE authority_consent = $1 LIMIT 1"};
constexpr Statement kList{"consent_list",
                          "SELECT " CONSENT_COLUMNS
                          " FROM consent c WHERE institution_id = $1 AND consent_id > $2 ORDER BY "
                          "consent_id LIMIT $3"};
constexpr Statement kListOf{"consent_list_of",
                            "SELECT " CONSENT_COLUMNS
                            " FROM consent c WHERE institution_id = $1 AND consent_id > $2 AND "
                            "status = $4 ORDER BY consent_id LIMIT $3"};
constexpr Statement kActivate{
    "consent_activate",
    "UPDATE consent SET status = 'active', version = version + 1, authority_consent = $3, "
    "reflected_at = $4, valid_from = $5, valid_until = $6, relay_at = NULL, relay_attempts = 0 "
    "WHERE institution_id = $1 AND consent_id = $2 RETURNING version"};
constexpr Statement kEnd{
    "consent_end",
    "UPDATE consent SET status = $3, version = version + 1, reason_initiated_by = $4, "
    "reason_code = $5, reason_at = $6, replaced_by = $7, relay_at = $8, relay_attempts = 0 "
    "WHERE institution_id = $1 AND consent_id = $2 RETURNING version"};
constexpr Statement kSetRelay{"consent_set_relay",
                              "UPDATE consent SET relay_at = $3, relay_attempts = $4 WHERE "
                              "institution_id = $1 AND consent_id = $2"};
constexpr Statement kSetAuthorityConsent{
    "consent_set_authority",
    "UPDATE consent SET authority_consent = $3 WHERE institution_id = $1 AND consent_id = $2"};
constexpr Statement kLockAuthority{"consent_lock_authority",
                                   "SELECT pg_advisory_xact_lock(hashtextextended($1, 7412))"};
constexpr Statement kService{
    "consent_service",
    "SELECT 1 FROM service WHERE institution_id = $1 AND service_id = $2 AND status = 'active'"};
// What lies so far ahead was put there by a clock that was wrong: nobody waits that long.
constexpr std::chrono::hours kRelayLost{1};
constexpr Statement kClaimRelays{
    "consent_claim_relays",
    "UPDATE consent c SET relay_at = $2 WHERE (institution_id, consent_id) IN (SELECT "
    "institution_id, consent_id FROM consent WHERE relay_at <= $1 OR relay_at > $4 ORDER BY "
    "relay_at LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED) RETURNING " CONSENT_COLUMNS};
constexpr Statement kPastTerm{"consent_past_term",
                              "SELECT institution_id, consent_id FROM consent WHERE status = "
                              "'active' AND valid_until < $1 ORDER BY valid_until LIMIT $2"};
constexpr Statement kUnconfirmed{
    "consent_unconfirmed",
    "SELECT institution_id, consent_id FROM consent WHERE status = 'pending' AND received_at < $1 "
    "ORDER BY received_at LIMIT $2"};
constexpr Statement kOfEndedServices{
    "consent_of_ended_services",
    "SELECT c.institution_id, c.consent_id FROM service s JOIN consent c USING (institution_id, "
    "service_id) WHERE s.status = 'ended' AND c.status IN ('pending', 'active') LIMIT $1"};
constexpr Statement kEnding{
    "consent_ending",
    "SELECT institution_id, consent_id FROM consent WHERE status = 'active' AND NOT expiry_told "
    "AND valid_until < $1 ORDER BY valid_until LIMIT $2"};
constexpr Statement kExpiryTold{
    "consent_expiry_told",
    "UPDATE consent SET expiry_told = true WHERE institution_id = $1 AND consent_id = $2 AND "
    "NOT expiry_told RETURNING 1"};

#undef FIND_CONSENT

constexpr std::array<std::string_view, 6> kStatusNames{"pending", "active",     "withdrawn",
                                                       "expired", "superseded", "rejected"};

std::optional<Consent> read_one(const pqxx::result& rows) {
  if (rows.empty()) return std::nullopt;
  return sql::read_consent(rows[0]);
}

std::vector<Consent> read_all(const pqxx::result& rows) {
  std::vector<Consent> out;
  for (const pqxx::row& row : rows) out.push_back(sql::read_consent(row));
  return out;
}

}  // namespace

namespace sql {

Consent read_consent(const pqxx::row& row) {
  Consent out;
  out.institution_id = row[0].as<std::string>();
  out.consent_id = row[1].as<std::string>();
  out.subject_id = row[2].as<std::string>();
  out.service_id = row[3].as<std::string>();
  out.version = row[4].as<std::int32_t>();
  out.status = consent_status_from(row[5].as<std::string>()).value();
  if (!row[7].is_null()) {
    out.reason =
        StatusReason{row[6].as<std::string>(), row[7].as<std::string>(), sql::time(row[8])};
  }
  out.replaced_by = sql::optional_text(row[9]);
  out.scopes = sql::texts(row[10]);
  out.purpose = row[11].as<std::string>();
  out.notice_version = row[12].as<std::string>();
  out.notice_language = row[13].as<std::string>();
  out.notice_sha256 = sql::bytes(row[14]);
  out.channel = row[15].as<std::string>();
  out.customer_ref_sealed = sql::bytes(row[16]);
  out.evidence_format = row[17].as<std::string>();
  out.signed_with = row[18].as<std::string>();
  out.consented_at = sql::time(row[19]);
  out.received_at = sql::time(row[20]);
  out.reflected_at = sql::optional_time(row[21]);
  out.authority_consent = sql::optional_text(row[22]);
  out.valid_from = sql::optional_time(row[23]);
  out.valid_until = sql::optional_time(row[24]);
  out.relay_at = sql::optional_time(row[25]);
  out.relay_attempts = row[26].as<std::int32_t>();
  out.known_certificate = row[27].as<std::string>();
  out.newer_certificate = sql::optional_text(row[28]);
  out.newer_items = sql::texts(row[29]);
  return out;
}

std::vector<ConsentName> read_names(const pqxx::result& rows) {
  std::vector<ConsentName> out;
  for (const pqxx::row& row : rows) {
    out.push_back({row[0].as<std::string>(), row[1].as<std::string>()});
  }
  return out;
}

}  // namespace sql

std::string_view to_string(ConsentStatus status) {
  return kStatusNames[static_cast<std::size_t>(status)];
}

std::optional<ConsentStatus> consent_status_from(std::string_view name) {
  for (std::size_t i = 0; i < kStatusNames.size(); ++i) {
    if (kStatusNames[i] == name) return static_cast<ConsentStatus>(i);
  }
  return std::nullopt;
}

void insert_consent(Session& session, const Consent& consent, const EvidenceHashes& hashes,
                    pki::Time now) {
  sql::exec(session, kInsert, consent.institution_id, consent.consent_id, consent.subject_id,
            consent.service_id, sql::text_array(consent.scopes), consent.purpose,
            consent.notice_version, consent.notice_language, sql::bytea(consent.notice_sha256),
            consent.channel, sql::bytea(consent.customer_ref_sealed), consent.evidence_format,
            sql::bytea(hashes.evidence_sha256), sql::bytea(hashes.nonce_sha256),
            consent.signed_with, sql::timestamp(consent.consented_at),
            sql::timestamp(consent.received_at), sql::timestamp(consent.relay_at),
            sql::timestamp(now));
}

std::optional<Consent> find_consent(Session& session, const std::string& institution_id,
                                    const std::string& consent_id, RowLock lock) {
  return read_one(
      sql::exec(session, kFind[static_cast<std::size_t>(lock)], institution_id, consent_id));
}

std::optional<LockedConsent> lock_consent(Session& session, const std::string& institution_id,
                                          const std::string& consent_id) {
  const auto rows = sql::exec(session, kLockBoth, institution_id, consent_id);
  if (rows.empty()) return std::nullopt;
  return LockedConsent{sql::read_subject(rows[0], sql::kConsentColumns),
                       sql::read_consent(rows[0])};
}

std::optional<Consent> lock_active_consent(Session& session, const std::string& institution_id,
                                           const std::string& subject_id,
                                           const std::string& service_id) {
  return read_one(sql::exec(session, kActiveOf, institution_id, subject_id, service_id));
}

std::vector<std::string> active_consents_of(Session& session, const std::string& institution_id,
                                            const std::string& subject_id) {
  std::vector<std::string> out;
  for (const pqxx::row& row : sql::exec(session, kActiveIds, institution_id, subject_id)) {
    out.push_back(row[0].as<std::string>());
  }
  return out;
}

std::vector<ReplacedConsent> replaced_consents(Session& session, const std::string& institution_id,
                                               const std::string& certificate_id,
                                               const std::string& subject_id) {
  std::vector<ReplacedConsent> out;
  for (const pqxx::row& row :
       sql::exec(session, kReplaced, institution_id, certificate_id, subject_id)) {
    out.push_back({row[0].as<std::string>(), row[1].as<std::string>()});
  }
  return out;
}

std::optional<std::string> subject_of_service(Session& session, const std::string& institution_id,
                                              const std::string& certificate_id,
                                              const std::string& service_id) {
  const auto rows =
      sql::exec(session, kSubjectOfService, institution_id, certificate_id, service_id);
  if (rows.empty()) return std::nullopt;
  return rows[0][0].as<std::string>();
}

std::optional<Consent> find_consent_at_authority(Session& session,
                                                 const std::string& authority_consent) {
  return read_one(sql::exec(session, kAtAuthority, authority_consent));
}

std::vector<Consent> list_consents(Session& session, const std::string& institution_id,
                                   std::optional<ConsentStatus> status, const std::string& after,
                                   std::uint32_t limit) {
  if (!status) return read_all(sql::exec(session, kList, institution_id, after, limit));
  return read_all(
      sql::exec(session, kListOf, institution_id, after, limit, std::string(to_string(*status))));
}

void activate_consent(Session& session, Consent& consent) {
  const auto rows =
      sql::exec(session, kActivate, consent.institution_id, consent.consent_id,
                consent.authority_consent, sql::timestamp(consent.reflected_at),
                sql::timestamp(consent.valid_from), sql::timestamp(consent.valid_until));
  consent.version = rows.at(0)[0].as<std::int32_t>();
  consent.status = ConsentStatus::active;
  consent.relay_at.reset();
}

void end_consent(Session& session, Consent& consent, ConsentStatus status,
                 const StatusReason& reason) {
  const auto rows =
      sql::exec(session, kEnd, consent.institution_id, consent.consent_id, to_string(status),
                reason.initiated_by, reason.code, sql::timestamp(reason.at), consent.replaced_by,
                sql::timestamp(consent.relay_at));
  consent.version = rows.at(0)[0].as<std::int32_t>();
  consent.status = status;
  consent.reason = reason;
}

void set_relay(Session& session, const Consent& consent, std::optional<pki::Time> at,
               std::int32_t attempts) {
  sql::post(session, kSetRelay, consent.institution_id, consent.consent_id, sql::timestamp(at),
            attempts);
}

void set_authority_consent(Session& session, const Consent& consent,
                           const std::string& authority_consent) {
  sql::post(session, kSetAuthorityConsent, consent.institution_id, consent.consent_id,
            authority_consent);
}

void lock_authority_consent(Session& session, const std::string& authority_consent) {
  sql::post(session, kLockAuthority, authority_consent);
}

bool is_service_active(Session& session, const std::string& institution_id,
                       const std::string& service_id) {
  return !sql::exec(session, kService, institution_id, service_id).empty();
}

std::vector<Consent> claim_relays(Session& session, pki::Time now, pki::Time again,
                                  std::uint32_t limit) {
  return read_all(sql::exec(session, kClaimRelays, sql::timestamp(now), sql::timestamp(again),
                            limit, sql::timestamp(now + kRelayLost)));
}

std::vector<ConsentName> consents_past_term(Session& session, pki::Time now, std::uint32_t limit) {
  return sql::read_names(sql::exec(session, kPastTerm, sql::timestamp(now), limit));
}

std::vector<ConsentName> consents_unconfirmed(Session& session, pki::Time before,
                                              std::uint32_t limit) {
  return sql::read_names(sql::exec(session, kUnconfirmed, sql::timestamp(before), limit));
}

std::vector<ConsentName> consents_of_ended_services(Session& session, std::uint32_t limit) {
  return sql::read_names(sql::exec(session, kOfEndedServices, limit));
}

std::vector<ConsentName> consents_ending(Session& session, pki::Time until, std::uint32_t limit) {
  return sql::read_names(sql::exec(session, kEnding, sql::timestamp(until), limit));
}

bool mark_expiry_told(Session& session, const Consent& consent) {
  return !sql::exec(session, kExpiryTold, consent.institution_id, consent.consent_id).empty();
}

}  // namespace server
