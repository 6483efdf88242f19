#include "server/store/query_steps.hpp"

#include "server/store/audit_sql.hpp"
#include "server/store/consent_row.hpp"
#include "server/store/ids.hpp"
#include "server/store/watching_row.hpp"

namespace server {
namespace {

#define FIND_GROUNDS                                                                         \
  "SELECT " CONSENT_COLUMNS ", " SUBJECT_COLUMNS                                             \
  ", t.consent_id, t.revoked_at IS NOT NULL, v.status = 'active', k.issuer_key_hash, "       \
  "k.serial_sealed, s.xmin, c.xmin FROM subject s JOIN consent c ON c.institution_id = $1 "  \
  "AND c.subject_id = s.subject_id JOIN service v ON v.institution_id = $1 AND "             \
  "v.service_id = c.service_id LEFT JOIN consent_token t ON t.institution_id = $1 AND "      \
  "t.token_id = $3 LEFT JOIN certificate k ON k.institution_id = $1 AND k.certificate_id = " \
  "c.known_certificate WHERE s.institution_id = $1 AND c.consent_id = $2"
// The subject's row as well, or all but the consent would be as it was before a wait for the lock.
constexpr Statement kGrounds{"query_grounds", FIND_GROUNDS " FOR SHARE OF s, c"};
constexpr Statement kGroundsAlone{"query_grounds_alone",
                                  FIND_GROUNDS " FOR SHARE OF s FOR UPDATE OF c"};
#undef FIND_GROUNDS

// The key first, as claim_idempotency() and insert_disclosure() have it.
constexpr Statement kOpen{
    "query_open",
    "WITH claimed AS (INSERT INTO idempotency (institution_id, idempotency_key, request_sha256, "
    "object_id, started_at) VALUES ($1, $2, $3, $4, $5) RETURNING 1) INSERT INTO disclosure "
    "(institution_id, disclosure_id, consent_id, subject_id, subject_version, kind, attributes, "
    "purpose, state, thumbprint, started_at, asked_with) SELECT $1, $4, $6, $7, $8, $9, $10, $11, "
    "'started', $12, $5, $13 FROM claimed"};

constexpr Statement kAnswerGrounds{
    "query_answer_grounds",
    "SELECT " CONSENT_COLUMNS ", " SUBJECT_COLUMNS ", " POSITION_COLUMNS
    " FROM subject s JOIN consent c ON c.institution_id = s.institution_id AND "
    "c.subject_id = "
    "s.subject_id LEFT JOIN issuer i ON i.issuer_key_hash = $3 WHERE c.institution_id = $1 AND "
    "c.consent_id = $2 FOR UPDATE OF s, c"};

// Locked by their keys alone, as nothing is known of how rows are spread over xmin; compared then.
constexpr Statement kExpectGrounds{
    "query_expect_grounds",
    "WITH held AS (SELECT s.xmin AS subject_row, c.xmin AS consent_row FROM subject s JOIN consent "
    "c ON c.institution_id = s.institution_id AND c.subject_id = s.subject_id WHERE "
    "c.institution_id = $1 AND c.consent_id = $2 FOR UPDATE OF s, c) SELECT require(EXISTS (SELECT "
    "FROM held WHERE subject_row = $3::xid AND consent_row = $4::xid) AND ($5::bytea IS NULL OR "
    "EXISTS (SELECT FROM issuer i WHERE i.issuer_key_hash = $5 AND i.target_generation = $6 AND "
    "i.target_checksum = $7 AND i.numbering = $8)))"};

#define SET_GIVEN                                                                              \
  "UPDATE consent SET known_certificate = $3, newer_certificate = $4, newer_items = $5 WHERE " \
  "institution_id = $1 AND consent_id = $2"
constexpr Statement kSetGiven{"query_set_given", SET_GIVEN};
constexpr Statement kSetGivenAndTell{
    "query_set_given_and_tell",
    "WITH given AS (" SET_GIVEN
    "), raised AS (UPDATE subject SET version = $7, state = $8, state_at = $9, known_certificate = "
    "$10, watched_certificate = $11 WHERE institution_id = $1 AND subject_id = $6) INSERT INTO "
    "outbox (institution_id, event_id, consent_id, subject_id, type, occurred_at, members) VALUES "
    "($1, $12, $2, $6, $13, $9, $14)"};
#undef SET_GIVEN

// $1 institution, $2 disclosure, $3 state, $4 outcome, $5 billable, $6 yen, $7 time, $8 day, $9
// rule, $10 purpose, $11 uses, $12 yen; $13 to $16 the audit; $17 key, $18 status, $19 sealed
// answer. Nothing happens if the first of it does not.
// clang-format off
#define FINISHED "EXISTS (SELECT FROM finished)"
#define CLOSE(KEY, AND)                                                                             \
  "WITH finished AS (UPDATE disclosure SET state = $3, outcome = nullif($4, ''), billable = $5, " \
  "yen = $6, ended_at = $7::text::timestamptz WHERE institution_id = $1 AND disclosure_id = $2 "  \
  "AND state = 'started' RETURNING 1), "                                                          \
  "key AS (" KEY " WHERE institution_id = $1 AND idempotency_key = $17 AND " FINISHED "), "       \
  "used AS (INSERT INTO usage AS u (institution_id, day, rule, purpose, uses, yen) SELECT $1, "   \
  "$8, $9, $10, $11::bigint, $12 WHERE $11::bigint > 0 AND " FINISHED " ON CONFLICT "             \
  "(institution_id, day, rule, purpose) DO UPDATE SET uses = u.uses + excluded.uses, yen = "      \
  "u.yen + excluded.yen), "                                                                       \
  AUDIT_ENTRY("$1::text", "$7::text", "$13::text", "$14::text", "$15::text", "$16::text",         \
              FINISHED)                                                                           \
  " SELECT " AND
// clang-format on
constexpr Statement kCloseAndKeep{
    "query_close_and_keep",
    CLOSE("UPDATE idempotency SET response_status = $18, response_sealed = $19",
          "require(" FINISHED ")")};
constexpr Statement kCloseAndFree{"query_close_and_free", CLOSE("DELETE FROM idempotency", "")};
#undef CLOSE
#undef FINISHED

template <class KeyHash>
void expect(Session& session, const QueryGrounds& grounds, const KeyHash& issuer,
            const IssuerPosition& position) {
  sql::post(session, kExpectGrounds, session.institution_id(), grounds.locked.consent.consent_id,
            grounds.subject_row, grounds.consent_row, issuer, sql::number(position.target.number),
            sql::number(position.target.checksum), sql::number(position.numbering));
}

}  // namespace

std::optional<QueryGrounds> find_grounds(Session& session, const std::string& consent_id,
                                         const std::string& token_id, ConsentLock lock) {
  const auto rows = sql::exec(session, lock == ConsentLock::alone ? kGroundsAlone : kGrounds,
                              session.institution_id(), consent_id, token_id);
  if (rows.empty()) return std::nullopt;
  const pqxx::row row = rows[0];
  QueryGrounds out;
  const int subject = sql::kConsentColumns;
  const int column = subject + sql::kSubjectColumns;
  out.locked = {sql::read_subject(row, subject), sql::read_consent(row)};
  if (!row[column].is_null()) {
    out.token = {row[column].as<std::string>(), row[column + 1].as<bool>()};
  }
  out.is_service_active = row[column + 2].as<bool>();
  if (!row[column + 3].is_null()) out.known_certificate = sql::read_sealed_name(row, column + 3);
  out.subject_row = row[column + 5].as<std::string>();
  out.consent_row = row[column + 6].as<std::string>();
  return out;
}

void open_disclosure(Session& session, const Disclosure& disclosure,
                     const IdempotentRequest& request) {
  sql::post(session, kOpen, session.institution_id(), request.key, sql::bytea(request.sha256),
            disclosure.disclosure_id, sql::timestamp(disclosure.started_at), disclosure.consent_id,
            disclosure.subject_id, disclosure.subject_version, disclosure.kind,
            sql::text_array(disclosure.attributes), disclosure.purpose,
            sql::bytea(disclosure.thumbprint), disclosure.asked_with);
}

std::optional<AnswerGrounds> lock_answer_grounds(Session& session, const std::string& consent_id,
                                                 const std::optional<IssuerKeyHash>& issuer) {
  AnswerGrounds out;
  if (!issuer) {
    auto locked = lock_consent(session, session.institution_id(), consent_id);
    if (!locked) return std::nullopt;
    out.locked = *std::move(locked);
    return out;
  }
  hold_issuer(session, *issuer);  // before all other locks (watching.hpp)
  const auto rows =
      sql::exec(session, kAnswerGrounds, session.institution_id(), consent_id, sql::bytea(*issuer));
  if (rows.empty()) return std::nullopt;
  const int subject = sql::kConsentColumns;
  const int position = subject + sql::kSubjectColumns;
  out.locked = {sql::read_subject(rows[0], subject), sql::read_consent(rows[0])};
  if (!rows[0][position].is_null()) out.position = sql::read_position(rows[0], position);
  return out;
}

void expect_answer_grounds(Session& session, const QueryGrounds& grounds) {
  expect(session, grounds, std::optional<std::string>(), {});
}

void expect_answer_grounds(Session& session, const QueryGrounds& grounds,
                           const IssuerKeyHash& issuer, const IssuerPosition& position) {
  hold_issuer(session, issuer);
  expect(session, grounds, sql::bytea(issuer), position);
}

void set_given(Session& session, const Consent& consent) {
  sql::post(session, kSetGiven, consent.institution_id, consent.consent_id,
            consent.known_certificate, consent.newer_certificate,
            sql::text_array(consent.newer_items));
}

void set_given(Session& session, const Consent& consent, const Subject& subject,
               const Event& event) {
  sql::post(session, kSetGivenAndTell, consent.institution_id, consent.consent_id,
            consent.known_certificate, consent.newer_certificate,
            sql::text_array(consent.newer_items), subject.subject_id, subject.version,
            subject.state, sql::timestamp(subject.state_at), subject.known_certificate,
            subject.watched_certificate, make_id(kChangeId), name_of(event.type),
            event.members.dump());
}

void close_disclosure(Session& session, const DisclosureEnd& end, pki::Time now) {
  require_lines(end.audit);
  const Disclosure& disclosure = end.disclosure;
  const Usage& usage = end.usage;
  const AuditEntry& audit = end.audit;
  const auto close = [&](const Statement& statement, const auto&... kept) {
    sql::post(session, statement, session.institution_id(), disclosure.disclosure_id,
              disclosure.state, disclosure.outcome, disclosure.billable, disclosure.yen,
              sql::timestamp(now), usage.day, usage.rule, usage.purpose, usage.uses, usage.yen,
              audit.actor, audit.verb, audit.object, audit.detail, end.request.key, kept...);
  };
  if (end.kept) {
    close(kCloseAndKeep, end.kept->status, sql::bytea(end.kept->sealed));
  } else {
    close(kCloseAndFree);
  }
}

}  // namespace server
