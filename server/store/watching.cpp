#include "server/store/watching.hpp"

#include <fmt/format.h>

#include <bit>

#include "server/store/feed.hpp"
#include "server/store/ids.hpp"
#include "server/store/watching_row.hpp"

namespace server {
namespace {

constexpr Statement kRegister{"issuer_register",
                              "INSERT INTO issuer (issuer_key_hash, name) VALUES ($1, $2) ON "
                              "CONFLICT (issuer_key_hash) DO UPDATE SET name = excluded.name WHERE "
                              "issuer.name <> excluded.name"};
constexpr Statement kLockAlone{"issuer_lock_alone", "SELECT pg_advisory_xact_lock($1)"};
constexpr Statement kPosition{
    "issuer_position", "SELECT " POSITION_COLUMNS " FROM issuer i WHERE issuer_key_hash = $1"};
constexpr Statement kLockShared{"issuer_lock_shared", "SELECT pg_advisory_xact_lock_shared($1)"};
constexpr Statement kAddSubject{
    "subject_add",
    "INSERT INTO subject (institution_id, subject_id, state, state_at, known_certificate, "
    "watched_certificate, created_at) VALUES ($1, $2, 'unchanged', $4, $3, $3, $4)"};
#define ADD_CERTIFICATE(WHEN)                                                              \
  "INSERT INTO certificate (institution_id, certificate_id, subject_id, issuer_key_hash, " \
  "serial_mac, serial_sealed, not_after, status, reason, revoked_at, status_at, "          \
  "checked_generation, registered_at) SELECT $1, $2, $3, $4, $5, $6, $7, $8, "             \
  "nullif($9::smallint, 15), $10, $11, $12, $13" WHEN
#define ADD_UNLESS_THERE(WHEN)                                                       \
  ADD_CERTIFICATE(WHEN)                                                              \
  " ON CONFLICT (institution_id, issuer_key_hash, serial_mac) DO NOTHING RETURNING " \
  "certificate_id, "                                                                 \
  "subject_id, status"
#define FIND_CERTIFICATE(MAC) \
  "SELECT certificate_id, subject_id, status FROM certificate WHERE institution_id = $1 AND " MAC

constexpr Statement kAddCertificate{"certificate_add", ADD_UNLESS_THERE("")};
constexpr Statement kAddNew{"certificate_add_new", ADD_CERTIFICATE("")};
constexpr Statement kFindCertificate{"certificate_find",
                                     FIND_CERTIFICATE("issuer_key_hash = $2 AND serial_mac = $3")};
constexpr Statement kHoldOrAdd{
    "certificate_hold_or_add",
    "WITH found AS (" FIND_CERTIFICATE("issuer_key_hash = $4 AND serial_mac = $5")
    " FOR SHARE), added AS (" ADD_UNLESS_THERE(" WHERE NOT EXISTS (SELECT FROM found)")
    ") SELECT *, false FROM found UNION ALL SELECT *, true FROM added"};

#undef FIND_CERTIFICATE
#undef ADD_UNLESS_THERE
#undef ADD_CERTIFICATE

// One that was taken for expired is as the lists say, by a generation of now.
constexpr Statement kSetEnd{
    "certificate_set_end",
    "UPDATE certificate SET not_after = $3, has_ended = false, status = CASE status WHEN 'expired' "
    "THEN 'good' ELSE "
    "status END, reason = CASE status WHEN 'expired' THEN NULL ELSE reason END, revoked_at = CASE "
    "status WHEN 'expired' THEN NULL ELSE revoked_at END, checked_generation = CASE status WHEN "
    "'expired' THEN $4 ELSE checked_generation END WHERE institution_id = $1 AND certificate_id = "
    "$2 AND not_after IS DISTINCT FROM $3::timestamptz"};
constexpr Statement kTryDetection{"detection_try_lock", "SELECT pg_try_advisory_lock(7412, $1)"};
constexpr Statement kEndDetection{"detection_unlock", "SELECT pg_advisory_unlock(7412, $1)"};
constexpr Statement kAnnounce{
    "issuer_announce",
    "UPDATE issuer SET target_generation = $4, target_checksum = $5, numbering = numbering + $6 "
    "WHERE issuer_key_hash = $1 AND detected_generation = $2 AND detected_checksum = $3 RETURNING "
    "numbering"};
constexpr Statement kFinish{
    "issuer_detected",
    "UPDATE issuer SET detected_generation = $4, detected_checksum = $5, detected_at = $6 WHERE "
    "issuer_key_hash = $1 AND detected_generation = $2 AND detected_checksum = $3 RETURNING 1"};
constexpr Statement kRecord{
    "detection_record",
    "INSERT INTO detection (issuer_key_hash, to_generation, from_generation, entries, changed, "
    "started_at, ended_at) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (issuer_key_hash, "
    "to_generation) DO UPDATE SET from_generation = excluded.from_generation, entries = "
    "excluded.entries, changed = detection.changed + excluded.changed, started_at = "
    "excluded.started_at, ended_at = excluded.ended_at"};
constexpr Statement kFigures{
    "detection_figures",
    "SELECT coalesce(max(i.detected_generation), 0), coalesce(sum(d.changed), 0)::bigint FROM "
    "issuer i LEFT JOIN detection d USING (issuer_key_hash) WHERE i.issuer_key_hash = $1"};
constexpr Statement kAwaiting{"subject_count_awaiting", "SELECT count(*) FROM awaiting"};
constexpr Statement kStale{"issuer_stale",
                           "UPDATE issuer SET stale_at = $2 WHERE issuer_key_hash = $1 AND "
                           "stale_at IS NULL RETURNING 1"};
constexpr Statement kFresh{
    "issuer_fresh",
    "UPDATE issuer SET stale_at = NULL WHERE issuer_key_hash = $1 AND stale_at IS NOT NULL"};
constexpr Statement kWatchers{
    "issuer_watchers",
    "SELECT institution_id FROM institution i WHERE EXISTS (SELECT FROM certificate c WHERE "
    "c.institution_id = i.institution_id AND c.issuer_key_hash = $1) ORDER BY institution_id"};

// The issuer's advisory lock: 64 bits of a hash that nobody chose for us.
std::int64_t lock_key(const IssuerKeyHash& issuer) {
  std::uint64_t key = 0;
  for (std::size_t i = 0; i < sizeof key; ++i) key = key << 8 | issuer[i];
  return std::bit_cast<std::int64_t>(key);
}

std::int32_t detection_key(const IssuerKeyHash& issuer) {
  return static_cast<std::int32_t>(lock_key(issuer) >> 32);
}

GenerationName generation(const pqxx::row& row, int column) {
  return {std::bit_cast<std::uint64_t>(row[column].as<std::int64_t>()),
          std::bit_cast<std::uint64_t>(row[column + 1].as<std::int64_t>())};
}

KnownCertificate known_certificate(const pqxx::row& row) {
  return {row[0].as<std::string>(), row[1].as<std::string>(), status_of(row[2].c_str())};
}

// Calls `write` with the certificate's id and the parameters of the statements that add it.
template <class Write>
auto write_certificate(Session& session, KeyRing& keys, const NewCertificate& certificate,
                       pki::Time now, const Write& write) {
  const std::string id = make_id(kCertificateId);
  const auto mac = keys.serial_mac(session, certificate.issuer, certificate.serial);
  const auto sealed =
      keys.seal_for(session, certificate.institution_id, serial_place(id), certificate.serial);
  const auto& revocation = certificate.status.revocation;
  const pki::Reason reason = revocation ? revocation->reason : pki::Reason::absent;
  const std::optional<pki::Time> revoked_at =
      revocation ? std::optional(revocation->date) : std::nullopt;
  return write(certificate.institution_id, id, certificate.subject_id,
               sql::bytea(certificate.issuer), sql::bytea(mac), sql::bytea(sealed),
               sql::timestamp(certificate.not_after), name_of(certificate.status.status),
               static_cast<int>(reason), sql::timestamp(revoked_at),
               sql::timestamp(certificate.status.as_of),
               sql::number(certificate.checked_generation), sql::timestamp(now));
}

pqxx::result exec_certificate(Session& session, const Statement& statement, KeyRing& keys,
                              const NewCertificate& certificate, pki::Time now) {
  return write_certificate(session, keys, certificate, now, [&](const auto&... row) {
    return sql::exec(session, statement, row...);
  });
}

}  // namespace

namespace sql {

IssuerPosition read_position(const pqxx::row& row, int first) {
  return {generation(row, first), generation(row, first + 2), row[first + 4].as<std::uint64_t>()};
}

}  // namespace sql

std::string_view name_of(CertificateStatus status) {
  switch (status) {
    case CertificateStatus::good: return "good";
    case CertificateStatus::held: return "held";
    case CertificateStatus::revoked: return "revoked";
    case CertificateStatus::expired: return "expired";
  }
  return "";
}

CertificateStatus status_of(std::string_view name) {
  for (const auto status : {CertificateStatus::good, CertificateStatus::held,
                            CertificateStatus::revoked, CertificateStatus::expired}) {
    if (name_of(status) == name) return status;
  }
  throw DatabaseError("a certificate has a status that does not exist", "");
}

void register_issuer(Session& session, const IssuerKeyHash& issuer, const std::string& name) {
  sql::exec(session, kRegister, sql::bytea(issuer), name);
}

std::optional<IssuerPosition> lock_issuer(Session& session, const IssuerKeyHash& issuer) {
  hold_issuer(session, issuer);
  return read_position(session, issuer);
}

void hold_issuer(Session& session, const IssuerKeyHash& issuer) {
  sql::post(session, kLockShared, lock_key(issuer));
}

std::optional<IssuerPosition> read_position(Session& session, const IssuerKeyHash& issuer) {
  const auto rows = sql::exec(session, kPosition, sql::bytea(issuer));
  if (rows.empty()) return std::nullopt;
  return sql::read_position(rows[0]);
}

void add_subject(Session& session, const NewSubject& subject, pki::Time now) {
  sql::post(session, kAddSubject, subject.institution_id, subject.subject_id,
            subject.certificate_id, sql::timestamp(now));
}

std::string serial_place(const std::string& certificate_id) {
  return fmt::format("certificate.serial_sealed.{}", certificate_id);
}

std::optional<std::string> add_watched_certificate(Session& session, KeyRing& keys,
                                                   const NewCertificate& certificate,
                                                   pki::Time now) {
  const auto rows = exec_certificate(session, kAddCertificate, keys, certificate, now);
  if (rows.empty()) return std::nullopt;
  return rows[0][0].as<std::string>();
}

HeldCertificate hold_or_add_certificate(Session& session, KeyRing& keys,
                                        const NewCertificate& certificate, pki::Time now) {
  auto rows = exec_certificate(session, kHoldOrAdd, keys, certificate, now);
  // Added by somebody else while we looked, who has committed by now.
  if (rows.empty()) rows = exec_certificate(session, kHoldOrAdd, keys, certificate, now);
  return {known_certificate(rows.at(0)), rows[0][3].as<bool>()};
}

HeldCertificate add_new_certificate(Session& session, KeyRing& keys,
                                    const NewCertificate& certificate, pki::Time now) {
  return write_certificate(
      session, keys, certificate, now,
      [&](const std::string& institution_id, const std::string& id, const auto&... rest) {
        sql::post(session, kAddNew, institution_id, id, rest...);
        return HeldCertificate{{id, certificate.subject_id, certificate.status.status}, true};
      });
}

std::optional<KnownCertificate> find_certificate(Session& session, KeyRing& keys,
                                                 const std::string& institution_id,
                                                 const IssuerKeyHash& issuer, pki::Bytes serial) {
  const auto mac = keys.serial_mac(session, issuer, serial);
  const auto rows =
      sql::exec(session, kFindCertificate, institution_id, sql::bytea(issuer), sql::bytea(mac));
  if (rows.empty()) return std::nullopt;
  return known_certificate(rows[0]);
}

void set_certificate_end(Session& session, const std::string& institution_id,
                         const std::string& certificate_id, pki::Time not_after,
                         std::uint64_t checked_generation) {
  sql::post(session, kSetEnd, institution_id, certificate_id, sql::timestamp(not_after),
            sql::number(checked_generation));
}

bool try_detection_lock(Session& session, const IssuerKeyHash& issuer) {
  return sql::exec(session, kTryDetection, detection_key(issuer))[0][0].as<bool>();
}

void release_detection_lock(Session& session, const IssuerKeyHash& issuer) {
  sql::exec(session, kEndDetection, detection_key(issuer));
}

std::optional<IssuerPosition> announce(Session& session, const IssuerKeyHash& issuer,
                                       const GenerationName& from, const GenerationName& target,
                                       Numbering numbering) {
  sql::exec(session, kLockAlone, lock_key(issuer));
  const auto rows =
      sql::exec(session, kAnnounce, sql::bytea(issuer), sql::number(from.number),
                sql::number(from.checksum), sql::number(target.number),
                sql::number(target.checksum), numbering == Numbering::begins_again ? 1 : 0);
  if (rows.empty()) return std::nullopt;
  return IssuerPosition{from, target, rows[0][0].as<std::uint64_t>()};
}

bool finish_detection(Session& session, const IssuerKeyHash& issuer, const DetectionRow& row) {
  const auto rows = sql::exec(session, kFinish, sql::bytea(issuer), sql::number(row.from.number),
                              sql::number(row.from.checksum), sql::number(row.to.number),
                              sql::number(row.to.checksum), sql::timestamp(row.ended_at));
  if (rows.empty()) return false;
  sql::exec(session, kRecord, sql::bytea(issuer), sql::number(row.to.number),
            sql::number(row.from.number), sql::number(row.entries), sql::number(row.changed),
            sql::timestamp(row.started_at), sql::timestamp(row.ended_at));
  return true;
}

DetectionFigures detection_figures(Session& session, const IssuerKeyHash& issuer) {
  const auto rows = sql::exec(session, kFigures, sql::bytea(issuer));
  return {rows[0][0].as<std::uint64_t>(), rows[0][1].as<std::uint64_t>()};
}

std::uint64_t count_awaiting(Session& session) {
  return sql::exec(session, kAwaiting)[0][0].as<std::uint64_t>();
}

std::uint64_t tell_stale(Session& session, const IssuerKeyHash& issuer, const std::string& name,
                         std::optional<pki::Time> since, pki::Time now) {
  if (!since) {
    sql::exec(session, kFresh, sql::bytea(issuer));
    return 0;
  }
  if (sql::exec(session, kStale, sql::bytea(issuer), sql::timestamp(*since)).empty()) return 0;
  std::vector<Event> events;
  for (const pqxx::row& row : sql::exec(session, kWatchers, sql::bytea(issuer))) {
    Event event;
    event.type = EventType::status_stale;
    event.occurred_at = now;
    event.institution_id = row[0].as<std::string>();
    event.members = {{"issuer", name}, {"stale_since", pki::to_string(*since)}};
    events.push_back(std::move(event));
  }
  put_events(session, events);
  return events.size();
}

}  // namespace server
