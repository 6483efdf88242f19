#include "server/store/subjects.hpp"

#include <algorithm>

#include "server/store/sql.hpp"

namespace server {
namespace {

constexpr Statement kLock{
    "subject_lock",
    "SELECT institution_id, subject_id, version, state, extract(epoch FROM state_at)::bigint, "
    "known_certificate, watched_certificate, extract(epoch FROM next_check_at)::bigint FROM "
    "subject WHERE institution_id = $1 AND subject_id = $2 FOR UPDATE"};
constexpr Statement kUpdate{
    "subject_update",
    "UPDATE subject SET version = version + $3, state = $4::text, state_at = $5, known_certificate "
    "= $6, watched_certificate = $7, next_check_at = $8, checks = 0, lapsed_at = CASE WHEN "
    "$4::text = 'awaiting_certificate' THEN $5::timestamptz END WHERE institution_id = $1 AND "
    "subject_id = $2 RETURNING version"};
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

std::optional<Subject> lock_subject(Session& session, const std::string& institution_id,
                                    const std::string& subject_id) {
  const auto rows = sql::exec(session, kLock, institution_id, subject_id);
  if (rows.empty()) return std::nullopt;
  const pqxx::row row = rows[0];
  Subject out;
  out.institution_id = row[0].as<std::string>();
  out.subject_id = row[1].as<std::string>();
  out.version = row[2].as<std::int32_t>();
  out.state = row[3].as<std::string>();
  out.state_at = sql::time(row[4]);
  out.known_certificate = row[5].as<std::string>();
  out.watched_certificate = row[6].as<std::string>();
  out.next_check_at = sql::optional_time(row[7]);
  return out;
}

void update_subject(Session& session, Subject& subject, SubjectVersion raise) {
  const auto rows = sql::exec(session, kUpdate, subject.institution_id, subject.subject_id,
                              raise == SubjectVersion::raise ? 1 : 0, subject.state,
                              sql::timestamp(subject.state_at), subject.known_certificate,
                              subject.watched_certificate, sql::timestamp(subject.next_check_at));
  subject.version = rows.at(0)[0].as<std::int32_t>();
}

std::optional<SealedName> find_certificate_name(Session& session, const std::string& institution_id,
                                                const std::string& certificate_id) {
  const auto rows = sql::exec(session, kCertificate, institution_id, certificate_id);
  if (rows.empty()) return std::nullopt;
  SealedName out;
  const auto hash = sql::bytes(rows[0][0]);
  std::copy_n(hash.begin(), out.issuer_key_hash.size(), out.issuer_key_hash.begin());
  out.serial_sealed = sql::bytes(rows[0][1]);
  return out;
}

std::string platform_state(Session& session, const std::string& name) {
  const auto rows = sql::exec(session, kState, name);
  return rows.empty() ? std::string() : rows[0][0].as<std::string>();
}

std::string lock_platform_state(Session& session, const std::string& name) {
  return sql::exec(session, kLockState, name).at(0)[0].as<std::string>();
}

void set_platform_state(Session& session, const std::string& name, const std::string& value) {
  sql::exec(session, kSetState, name, value);
}

}  // namespace server
