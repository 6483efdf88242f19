#include "server/store/subjects.hpp"

#include <algorithm>

#include "server/store/consent_row.hpp"

namespace server {
namespace {

constexpr Statement kLock{
    "subject_lock", "SELECT " SUBJECT_COLUMNS
                    " FROM subject s WHERE institution_id = $1 AND subject_id = $2 FOR UPDATE"};
constexpr Statement kUpdate{
    "subject_update",
    "WITH changed AS (UPDATE subject SET version = version + $3, state = $4::text, state_at = $5, "
    "known_certificate = $6, watched_certificate = $7 WHERE institution_id = $1 AND subject_id = "
    "$2 RETURNING version), ended AS (DELETE FROM awaiting WHERE institution_id = $1 AND "
    "subject_id "
    "= $2 AND $4::text <> 'awaiting_certificate'), begun AS (INSERT INTO awaiting (institution_id, "
    "subject_id, next_check_at, lapsed_at) SELECT $1, $2, $5, $5 WHERE $4::text = "
    "'awaiting_certificate' ON CONFLICT (institution_id, subject_id) DO UPDATE SET next_check_at = "
    "excluded.next_check_at, checks = 0, lapsed_at = excluded.lapsed_at) SELECT version FROM "
    "changed"};
constexpr Statement kNextCheck{
    "subject_next_check",
    "SELECT extract(epoch FROM next_check_at)::bigint FROM awaiting WHERE institution_id = $1 AND "
    "subject_id = $2"};
constexpr Statement kEndWait{"subject_end_wait",
                             "DELETE FROM awaiting WHERE institution_id = $1 AND subject_id = $2"};
constexpr Statement kCertificate{
    "subject_certificate",
    "SELECT issuer_key_hash, serial_sealed FROM certificate WHERE institution_id = $1 AND "
    "certificate_id = $2"};
constexpr Statement kState{"platform_state", "SELECT value FROM platform_state WHERE name = $1"};
constexpr Statement kLockState{
    "platform_state_lock",
    "INSERT INTO platform_state AS s VALUES ($1, '') ON CONFLICT (name) DO UPDATE SET value = "
    "s.value RETURNING value"};
constexpr Statement kSetState{"platform_state_set",
                              "INSERT INTO platform_state VALUES ($1, $2) ON CONFLICT (name) DO "
                              "UPDATE SET value = excluded.value"};

}  // namespace

namespace sql {

Subject read_subject(const pqxx::row& row, int first) {
  Subject out;
  out.institution_id = row[first].as<std::string>();
  out.subject_id = row[first + 1].as<std::string>();
  out.version = row[first + 2].as<std::int32_t>();
  out.state = row[first + 3].as<std::string>();
  out.state_at = sql::time(row[first + 4]);
  out.known_certificate = row[first + 5].as<std::string>();
  out.watched_certificate = row[first + 6].as<std::string>();
  return out;
}

SealedName read_sealed_name(const pqxx::row& row, int first) {
  SealedName out;
  const auto hash = bytes(row[first]);
  std::copy_n(hash.begin(), out.issuer_key_hash.size(), out.issuer_key_hash.begin());
  out.serial_sealed = bytes(row[first + 1]);
  return out;
}

}  // namespace sql

std::optional<Subject> lock_subject(Session& session, const std::string& institution_id,
                                    const std::string& subject_id) {
  const auto rows = sql::exec(session, kLock, institution_id, subject_id);
  if (rows.empty()) return std::nullopt;
  return sql::read_subject(rows[0]);
}

void update_subject(Session& session, Subject& subject, SubjectVersion raise) {
  const auto rows = sql::exec(session, kUpdate, subject.institution_id, subject.subject_id,
                              raise == SubjectVersion::raise ? 1 : 0, subject.state,
                              sql::timestamp(subject.state_at), subject.known_certificate,
                              subject.watched_certificate);
  subject.version = rows.at(0)[0].as<std::int32_t>();
}

std::optional<pki::Time> next_check(Session& session, const Subject& subject) {
  const auto rows = sql::exec(session, kNextCheck, subject.institution_id, subject.subject_id);
  if (rows.empty()) return std::nullopt;
  return sql::time(rows[0][0]);
}

void end_wait(Session& session, const Subject& subject) {
  sql::post(session, kEndWait, subject.institution_id, subject.subject_id);
}

std::optional<SealedName> find_certificate_name(Session& session, const std::string& institution_id,
                                                const std::string& certificate_id) {
  const auto rows = sql::exec(session, kCertificate, institution_id, certificate_id);
  if (rows.empty()) return std::nullopt;
  return sql::read_sealed_name(rows[0]);
}

std::string platform_state(Session& session, const std::string& name) {
  const auto rows = sql::exec(session, kState, name);
  return rows.empty() ? std::string() : rows[0][0].as<std::string>();
}

std::string lock_platform_state(Session& session, const std::string& name) {
  return sql::exec(session, kLockState, name).at(0)[0].as<std::string>();
}

void set_platform_state(Session& session, const std::string& name, const std::string& value) {
  sql::post(session, kSetState, name, value);
}

}  // namespace server
