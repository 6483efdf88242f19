// The feed as it is read, kept and made void; feed.cpp publishes.
#include <fmt/format.h>

#include <algorithm>

#include "server/store/audit.hpp"
#include "server/store/feed.hpp"
#include "server/store/sql.hpp"

namespace server {
namespace {

constexpr Statement kPage{
    "feed_page",
    "SELECT epoch, last_pos, pruned_pos, retained_from, coalesce(first_item, 0), "
    "coalesce(last_item, 0), coalesce(items, '') FROM feed_page($1, $2, $3)"};
constexpr Statement kHead{"feed_head",
                          "SELECT epoch, last_pos, pruned_pos FROM feed WHERE institution_id = $1"};
constexpr Statement kEnds{"feed_ends",
                          "SELECT institution_id, last_pos FROM feed_ends($1::text[])"};
constexpr Statement kAcknowledge{
    "feed_acknowledge",
    "INSERT INTO feed_acknowledgement (institution_id, epoch, pos, acknowledged_at) VALUES ($1, "
    "$2, $3, $4) ON CONFLICT (institution_id) DO UPDATE SET epoch = excluded.epoch, pos = "
    "excluded.pos, acknowledged_at = excluded.acknowledged_at"};
// Positions are dense: the first one after another is one more.
constexpr Statement kStatus{
    "feed_status",
    "SELECT f.institution_id, i.name, f.epoch, f.last_pos, a.pos, extract(epoch FROM "
    "a.acknowledged_at)::bigint, (SELECT extract(epoch FROM c.published_at)::bigint FROM "
    "change_feed c WHERE c.institution_id = f.institution_id AND c.pos = greatest(coalesce(a.pos, "
    "0), f.pruned_pos) + 1) FROM feed f JOIN institution i USING (institution_id) LEFT JOIN "
    "feed_acknowledgement a ON a.institution_id = f.institution_id AND a.epoch = f.epoch ORDER BY "
    "i.name, f.institution_id"};
constexpr Statement kToPrune{
    "feed_to_prune",
    "SELECT institution_id FROM feed WHERE (SELECT published_at FROM change_feed c WHERE "
    "c.institution_id = feed.institution_id AND c.pos = feed.pruned_pos + 1) < "
    "$1::timestamptz ORDER BY institution_id"};
constexpr Statement kLockFeed{"feed_lock_one",
                              "SELECT 1 FROM feed WHERE institution_id = $1 FOR NO KEY UPDATE"};
// Clocks of several servers differ a little: an item that is not old keeps all that come after it.
constexpr Statement kPrune{
    "feed_prune",
    "WITH first AS (SELECT pos, bool_and(published_at < $2::timestamptz) OVER (ORDER BY pos) AS "
    "is_old FROM (SELECT pos, published_at FROM change_feed WHERE institution_id = $1 ORDER BY pos "
    "LIMIT $3) c), "
    "cut AS (SELECT max(pos) AS pos FROM first WHERE is_old), "
    "gone AS (DELETE FROM change_feed USING cut WHERE institution_id = $1 AND change_feed.pos <= "
    "cut.pos RETURNING 1), "
    "noted AS (UPDATE feed SET pruned_pos = cut.pos, retained_from = greatest(retained_from, "
    "$2::timestamptz) FROM cut WHERE institution_id = $1 AND cut.pos IS NOT NULL) "
    "SELECT count(*) FROM gone"};
constexpr Statement kLockAll{
    "feed_lock_all", "SELECT institution_id FROM feed ORDER BY institution_id FOR NO KEY UPDATE"};
constexpr Statement kRaise{
    "feed_raise_epoch",
    "UPDATE feed SET epoch = greatest(epoch + 1, $2) WHERE institution_id = $1 RETURNING epoch"};

FeedHead head_of(const pqxx::row& row) {
  return {row[0].as<std::int32_t>(), row[1].as<std::int64_t>(), row[2].as<std::int64_t>()};
}

}  // namespace

FeedPage read_feed(Connection& connection, const std::string& institution_id,
                   std::optional<std::int64_t> after, std::size_t limit) {
  const std::optional<std::string> from =
      after ? std::optional(fmt::format("{}", *after)) : std::nullopt;
  const pqxx::result rows =
      sql::exec_alone(connection, kPage, institution_id, from, static_cast<std::int64_t>(limit));
  const pqxx::row row = rows[0];
  if (row[0].is_null()) throw DatabaseError("there is no feed of this institution", "");
  return {head_of(row), row[3].as<std::string>(), row[4].as<std::int64_t>(),
          row[5].as<std::int64_t>(), row[6].as<std::string>()};
}

FeedHead feed_head(Session& session) {
  const pqxx::result rows = sql::exec(session, kHead, session.institution_id());
  if (rows.empty()) throw DatabaseError("there is no feed of this institution", "");
  return head_of(rows[0]);
}

std::map<std::string, std::int64_t> feed_ends(Connection& connection,
                                              const std::vector<std::string>& institution_ids) {
  std::map<std::string, std::int64_t> out;
  for (const pqxx::row& row :
       sql::exec_alone(connection, kEnds, sql::text_array(institution_ids))) {
    out.emplace(row[0].as<std::string>(), row[1].as<std::int64_t>());
  }
  return out;
}

void acknowledge_feed(Session& session, std::int32_t epoch, std::int64_t pos, pki::Time now) {
  sql::post(session, kAcknowledge, session.institution_id(), epoch, pos, sql::timestamp(now));
}

std::vector<FeedStatus> feed_status(Session& platform) {
  std::vector<FeedStatus> out;
  for (const pqxx::row& row : sql::exec(platform, kStatus)) {
    FeedStatus one;
    one.institution_id = row[0].as<std::string>();
    one.name = row[1].as<std::string>();
    one.epoch = row[2].as<std::int32_t>();
    one.last_pos = row[3].as<std::int64_t>();
    if (!row[4].is_null()) one.acknowledged_pos = row[4].as<std::int64_t>();
    one.acknowledged_at = sql::optional_time(row[5]);
    one.oldest_unacknowledged = sql::optional_time(row[6]);
    out.push_back(std::move(one));
  }
  return out;
}

FeedLag lag_of(const std::vector<FeedStatus>& feeds) {
  FeedLag out;
  for (const FeedStatus& feed : feeds) {
    if (!feed.acknowledged_pos) {
      out.never_acknowledged += feed.last_pos > 0 ? 1U : 0U;
    } else if (feed.last_pos > *feed.acknowledged_pos) {
      ++out.institutions;
      out.items = std::max(out.items, feed.last_pos - *feed.acknowledged_pos);
      if (!out.oldest || feed.oldest_unacknowledged < out.oldest) {
        out.oldest = feed.oldest_unacknowledged;
      }
    }
  }
  return out;
}

std::vector<std::string> feeds_to_prune(Session& platform, pki::Time before) {
  std::vector<std::string> out;
  for (const pqxx::row& row : sql::exec(platform, kToPrune, sql::timestamp(before))) {
    out.push_back(row[0].as<std::string>());
  }
  return out;
}

std::size_t prune_feed(Session& platform, const std::string& institution_id, pki::Time before,
                       std::size_t limit) {
  sql::exec(platform, kLockFeed, institution_id);
  return sql::exec(platform, kPrune, institution_id, sql::timestamp(before),
                   static_cast<std::int64_t>(limit))[0][0]
      .as<std::size_t>();
}

std::size_t raise_feed_epoch(Session& platform, pki::Time now) {
  const auto minutes = static_cast<std::int32_t>(
      std::chrono::floor<std::chrono::minutes>(now.time_since_epoch()).count());
  const pqxx::result feeds = sql::exec(platform, kLockAll);
  for (const pqxx::row& feed : feeds) {
    const auto institution_id = feed[0].as<std::string>();
    const auto epoch =
        sql::exec(platform, kRaise, institution_id, minutes)[0][0].as<std::int32_t>();
    append_audit(
        platform, now,
        {"operator", "feed.epoch_raised", institution_id, fmt::format("{{\"epoch\":{}}}", epoch)},
        institution_id);
  }
  return feeds.size();
}

}  // namespace server
