#include "server/store/feed.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "server/store/ids.hpp"
#include "server/store/sql.hpp"

namespace server {
namespace {

constexpr Statement kPut{
    "outbox_put",
    "INSERT INTO outbox (institution_id, event_id, consent_id, subject_id, type, occurred_at, "
    "members) SELECT institution_id, event_id, nullif(consent_id, ''), nullif(subject_id, ''), "
    "type, occurred_at, members FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], "
    "$5::text[], $6::timestamptz[], $7::text[]) WITH ORDINALITY AS event (institution_id, "
    "event_id, consent_id, subject_id, type, occurred_at, members, n) ORDER BY n"};

// Not for safety, which the rows of `feed` give: so that two servers don't wait for each other.
constexpr Statement kTakeTurn{"feed_take_turn", "SELECT pg_try_advisory_xact_lock(7411)"};
constexpr Statement kChoose{
    "feed_choose",
    "SELECT count(*), coalesce(array_agg(outbox_id), '{}')::text, coalesce(array_agg(DISTINCT "
    "institution_id), '{}')::text FROM (SELECT outbox_id, institution_id FROM outbox ORDER BY "
    "outbox_id LIMIT $1) chosen"};
// In one order, whoever does it: no deadlock.
constexpr Statement kLockFeeds{"feed_lock",
                               "SELECT 1 FROM feed WHERE institution_id = ANY($1::text[]) ORDER BY "
                               "institution_id FOR NO KEY UPDATE"};
constexpr Statement kPublish{
    "feed_publish",
    "WITH taken AS (DELETE FROM outbox WHERE outbox_id = ANY($1::bigint[]) RETURNING *), "
    "counted AS (SELECT institution_id, count(*) AS events FROM taken GROUP BY 1), "
    "raised AS (UPDATE feed SET last_pos = feed.last_pos + counted.events FROM counted WHERE "
    "feed.institution_id = counted.institution_id RETURNING feed.institution_id, feed.last_pos - "
    "counted.events AS base), "
    "numbered AS (SELECT taken.*, raised.base + row_number() OVER (PARTITION BY institution_id "
    "ORDER BY outbox_id) AS pos FROM taken JOIN raised USING (institution_id)), "
    "placed AS (INSERT INTO change_feed (institution_id, pos, published_at, item) "
    "SELECT institution_id, pos, $2::timestamptz, "
    "concat('{\"id\":\"', event_id, '\",\"pos\":', pos, ',\"type\":\"', type, "
    "'\",\"occurred_at\":\"', to_char(occurred_at AT TIME ZONE 'UTC', "
    "'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), '\"', "
    "',\"consent_id\":\"' || consent_id || '\"', ',\"sub\":\"' || subject_id || '\"', "
    "CASE members WHEN '{}' THEN '}' ELSE ',' || substr(members, 2) END) FROM numbered "
    "RETURNING 1) "
    "SELECT count(*) FROM placed"};
constexpr Statement kNotify{"feed_notify", "SELECT pg_notify('tashika_changes', $1)"};
constexpr Statement kBacklog{
    "outbox_backlog",
    "SELECT count(*), extract(epoch FROM min(occurred_at))::bigint FROM (SELECT occurred_at FROM "
    "outbox ORDER BY outbox_id LIMIT 100000) waiting"};

constexpr std::array<std::string_view, 15> kNames{
    "certificate.revoked",    "certificate.held",         "certificate.released",
    "subject.update_pending", "subject.update_available", "subject.update_delivered",
    "subject.update_lapsed",  "consent.activated",        "consent.rejected",
    "consent.withdrawn",      "consent.expiring",         "consent.expired",
    "consent.superseded",     "token.reissue_needed",     "status.stale"};
static_assert(kNames.size() == static_cast<std::size_t>(EventType::status_stale) + 1);

constexpr std::size_t kPutBatch = 1000;
constexpr std::size_t kPostMax = 8;     // events; more are not worth to be quoted
constexpr std::size_t kNamedMax = 200;  // NOTIFY takes 8,000 octets; an id has 31

void put_batch(Session& session, std::span<const Event> events) {
  std::array<std::vector<std::string>, 7> columns;
  for (const Event& event : events) {
    const std::string& owner =
        event.institution_id.empty() ? session.institution_id() : event.institution_id;
    if (owner.empty()) throw std::invalid_argument("an event belongs to an institution");
    if (!event.members.is_object()) {
      throw std::invalid_argument("the members of an event are an object");
    }
    columns[0].push_back(owner);
    columns[1].push_back(make_id(kChangeId));
    columns[2].push_back(event.consent_id);
    columns[3].push_back(event.subject_id);
    columns[4].emplace_back(name_of(event.type));
    columns[5].push_back(sql::timestamp(event.occurred_at));
    columns[6].push_back(event.members.dump());
  }
  const auto put = [&](const auto&... column) {
    if (events.size() <= kPostMax) {
      sql::post(session, kPut, column...);
    } else {
      sql::exec(session, kPut, column...);
    }
  };
  put(sql::text_array(columns[0]), sql::text_array(columns[1]), sql::text_array(columns[2]),
      sql::text_array(columns[3]), sql::text_array(columns[4]), sql::text_array(columns[5]),
      sql::text_array(columns[6]));
}

// "{a,b,c}", as PostgreSQL writes an array of ids, to "a b c"; nothing if they are too many.
std::string notification(std::string institutions) {
  const auto commas = std::ranges::count(institutions, ',');
  if (static_cast<std::size_t>(commas) >= kNamedMax) return {};
  std::ranges::replace(institutions, ',', ' ');
  return institutions.substr(1, institutions.size() - 2);
}

}  // namespace

std::string_view name_of(EventType type) {
  return kNames[static_cast<std::size_t>(type)];
}

void put_event(Session& session, const Event& event) {
  put_events(session, {&event, 1});
}

void put_events(Session& session, std::span<const Event> events) {
  while (!events.empty()) {
    const std::size_t count = std::min(kPutBatch, events.size());
    put_batch(session, events.first(count));
    events = events.subspan(count);
  }
}

Published fan_out(Session& platform, std::size_t limit, pki::Time now) {
  if (!sql::exec(platform, kTakeTurn)[0][0].as<bool>()) return {0, true};
  const pqxx::result chosen = sql::exec(platform, kChoose, static_cast<std::int64_t>(limit));
  const auto events = chosen[0][0].as<std::size_t>();
  if (events == 0) return {};
  const auto institutions = chosen[0][2].as<std::string>();
  sql::exec(platform, kLockFeeds, institutions);
  const pqxx::result placed =
      sql::exec(platform, kPublish, chosen[0][1].as<std::string>(), sql::timestamp(now));
  // An institution without a feed: its events must not get lost, so nothing is done.
  if (placed[0][0].as<std::size_t>() != events) {
    throw DatabaseError("an event of the outbox belongs to an institution without a feed", "");
  }
  sql::exec(platform, kNotify, notification(institutions));
  return {events, false};
}

Backlog backlog(Session& platform) {
  const pqxx::result rows = sql::exec(platform, kBacklog);
  return {rows[0][0].as<std::size_t>(), sql::optional_time(rows[0][1])};
}

}  // namespace server
