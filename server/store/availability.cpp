#include "server/store/availability.hpp"

#include <algorithm>
#include <array>

#include "server/log.hpp"
#include "server/store/audit.hpp"
#include "server/store/feed.hpp"
#include "server/store/sql.hpp"

namespace server {
namespace {

constexpr Statement kClaim{
    "availability_claim",
    "WITH taken AS (UPDATE awaiting SET next_check_at = $2 WHERE ctid = ANY (ARRAY(SELECT ctid "
    "FROM awaiting WHERE next_check_at <= $1 ORDER BY next_check_at LIMIT $3 FOR UPDATE SKIP "
    "LOCKED)) RETURNING institution_id, subject_id, checks, lapsed_at) SELECT "
    "t.institution_id, t.subject_id, t.checks, extract(epoch FROM t.lapsed_at)::bigint, "
    "c.certificate_id, c.issuer_key_hash, c.serial_sealed, n.consent_id, n.authority_consent FROM "
    "taken t JOIN subject s ON s.institution_id = t.institution_id AND s.subject_id = t.subject_id "
    "JOIN certificate c ON c.institution_id = t.institution_id AND c.certificate_id = "
    "s.watched_certificate LEFT JOIN LATERAL (SELECT consent_id, "
    "authority_consent FROM consent WHERE institution_id = t.institution_id AND subject_id = "
    "t.subject_id AND status = 'active' AND authority_consent IS NOT NULL ORDER BY valid_until "
    "DESC NULLS LAST, consent_id LIMIT 1) n ON true"};
constexpr Statement kLock{
    "subject_lock_waiting",
    "SELECT version FROM subject WHERE institution_id = $1 AND subject_id = $2 AND state = "
    "'awaiting_certificate' AND watched_certificate = $3 FOR NO KEY UPDATE"};
constexpr Statement kWait{
    "subject_wait_longer",
    "UPDATE awaiting SET next_check_at = $3, checks = checks + $4 WHERE institution_id = $1 AND "
    "subject_id = $2"};
constexpr Statement kWaitAll{
    "subject_wait_longer_all",
    "UPDATE awaiting a SET next_check_at = w.until, checks = checks + 1 FROM unnest($1::text[], "
    "$2::text[], $3::timestamptz[], $4::timestamptz[]) AS w (institution_id, subject_id, claimed, "
    "until) WHERE a.institution_id = w.institution_id AND a.subject_id = w.subject_id AND "
    "a.next_check_at = w.claimed"};
constexpr Statement kSuccessor{
    "subject_watch_successor",
    "WITH moved AS (UPDATE subject SET watched_certificate = $3 WHERE institution_id = $1 AND "
    "subject_id = $2) UPDATE awaiting SET next_check_at = $4, checks = 0 WHERE institution_id = $1 "
    "AND subject_id = $2"};
constexpr Statement kAvailable{
    "subject_make_available",
    "WITH ended AS (DELETE FROM awaiting WHERE institution_id = $1 AND subject_id = $2) UPDATE "
    "subject SET version = version + 1, state = 'available', state_at = $4, watched_certificate = "
    "$3 WHERE institution_id = $1 AND subject_id = $2"};
constexpr Statement kLapsed{
    "subject_make_lapsed",
    "WITH ended AS (DELETE FROM awaiting WHERE institution_id = $1 AND subject_id = $2) UPDATE "
    "subject SET version = version + $4, state = 'lapsed', state_at = $3 WHERE institution_id = $1 "
    "AND subject_id = $2"};
constexpr Statement kConsents{
    "availability_consents",
    "SELECT consent_id, extract(epoch FROM valid_until)::bigint FROM consent WHERE institution_id "
    "= $1 AND subject_id = $2 AND status = 'active' ORDER BY consent_id"};

struct ActiveConsent {
  std::string consent_id;
  std::optional<pki::Time> valid_until;
};

std::vector<ActiveConsent> active_consents(Session& session, const DueCheck& check) {
  std::vector<ActiveConsent> out;
  for (const pqxx::row& row :
       sql::exec(session, kConsents, check.institution_id, check.subject_id)) {
    out.push_back({row[0].as<std::string>(), sql::optional_time(row[1])});
  }
  return out;
}

Event event_for(const DueCheck& check, const ActiveConsent& consent, EventType type,
                std::int32_t version, const char* state, pki::Time now) {
  Event event;
  event.type = type;
  event.institution_id = check.institution_id;
  event.subject_id = check.subject_id;
  event.consent_id = consent.consent_id;
  event.occurred_at = now;
  event.members = {{"subject_version", version}, {"state", state}};
  return event;
}

}  // namespace

std::vector<DueCheck> claim_checks(Session& session, KeyRing& keys, pki::Time now, pki::Time again,
                                   std::size_t limit) {
  std::vector<DueCheck> out;
  for (const pqxx::row& row : sql::exec(session, kClaim, sql::timestamp(now), sql::timestamp(again),
                                        static_cast<std::int64_t>(limit))) {
    DueCheck check;
    check.institution_id = row[0].as<std::string>();
    check.subject_id = row[1].as<std::string>();
    check.checks = row[2].as<std::int32_t>();
    check.lapsed_at = sql::optional_time(row[3]);
    check.certificate_id = row[4].as<std::string>();
    const auto issuer = sql::bytes(row[5]);
    std::copy_n(issuer.begin(), check.issuer.size(), check.issuer.begin());
    try {
      check.serial = Redacted(keys.open_for(
          session, check.institution_id, serial_place(check.certificate_id), sql::bytes(row[6])));
    } catch (const SealBroken& error) {  // one damaged row must not keep all others waiting
      log(Level::error, "serial_unreadable",
          {{"institution", check.institution_id},
           {"certificate", check.certificate_id},
           {"error", error.what()}});
      continue;
    }
    check.consent_id = sql::optional_text(row[7]).value_or("");
    check.authority_consent_id = sql::optional_text(row[8]).value_or("");
    out.push_back(std::move(check));
  }
  return out;
}

std::optional<std::int32_t> lock_waiting(Session& session, const DueCheck& check) {
  const auto rows =
      sql::exec(session, kLock, check.institution_id, check.subject_id, check.certificate_id);
  if (rows.empty()) return std::nullopt;
  return rows[0][0].as<std::int32_t>();
}

void wait_longer(Session& session, const DueCheck& check, pki::Time until, Counted counted) {
  sql::post(session, kWait, check.institution_id, check.subject_id, sql::timestamp(until),
            counted == Counted::yes ? 1 : 0);
}

void wait_longer(Session& session, std::span<const AnotherWait> waits, pki::Time claimed_until) {
  std::array<std::vector<std::string>, 4> columns;
  for (const AnotherWait& wait : waits) {
    columns[0].push_back(wait.check->institution_id);
    columns[1].push_back(wait.check->subject_id);
    columns[2].push_back(sql::timestamp(claimed_until));
    columns[3].push_back(sql::timestamp(wait.until));
  }
  sql::post(session, kWaitAll, sql::text_array(columns[0]), sql::text_array(columns[1]),
            sql::text_array(columns[2]), sql::text_array(columns[3]));
}

void watch_lapsed_successor(Session& session, const DueCheck& check,
                            const std::string& certificate_id, pki::Time next_check) {
  sql::post(session, kSuccessor, check.institution_id, check.subject_id, certificate_id,
            sql::timestamp(next_check));
}

void make_available(Session& session, const DueCheck& check, std::int32_t version,
                    const std::string& certificate_id, pki::Time now) {
  sql::post(session, kAvailable, check.institution_id, check.subject_id, certificate_id,
            sql::timestamp(now));
  std::vector<Event> events;
  for (const ActiveConsent& consent : active_consents(session, check)) {
    Event event = event_for(check, consent, EventType::subject_update_available, version + 1,
                            "available", now);
    if (consent.valid_until) {
      event.members["available_until"] = pki::to_string(*consent.valid_until);
    }
    events.push_back(std::move(event));
  }
  put_events(session, events);
  append_audit(session, now, {"authority", "subject.update_available", check.subject_id},
               check.institution_id);
}

void make_lapsed(Session& session, const DueCheck& check, std::int32_t version, pki::Time now) {
  const auto consents = active_consents(session, check);
  sql::post(session, kLapsed, check.institution_id, check.subject_id, sql::timestamp(now),
            consents.empty() ? 0 : 1);
  std::vector<Event> events;
  for (const ActiveConsent& consent : consents) {
    events.push_back(
        event_for(check, consent, EventType::subject_update_lapsed, version + 1, "lapsed", now));
  }
  put_events(session, events);
  append_audit(session, now, {"platform", "subject.update_lapsed", check.subject_id},
               check.institution_id);
}

}  // namespace server
