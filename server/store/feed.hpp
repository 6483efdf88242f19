// feed.hpp: what happened, from the transaction that did it to a position in an institution's feed.
// openapi.json, getChanges, has the guarantees. Knows nothing of cursors, of HTTP, or of what the
// events mean.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libpki/asn1_time.hpp"
#include "server/store/connection.hpp"

namespace server {

// The types of openapi.json, Change, in its order.
enum class EventType : std::uint8_t {
  certificate_revoked,
  certificate_held,
  certificate_released,
  subject_update_pending,
  subject_update_available,
  subject_update_delivered,
  subject_update_lapsed,
  consent_activated,
  consent_rejected,
  consent_withdrawn,
  consent_expiring,
  consent_expired,
  consent_superseded,
  token_reissue_needed,
  status_stale,
};

// "subject.update_available".
[[nodiscard]] std::string_view name_of(EventType type);

// One item to be. It gets its id when it is put, and its position when it is published.
struct Event {
  EventType type = EventType::status_stale;
  std::string consent_id;  // empty, as is subject_id, for what is about no one's consent
  std::string subject_id;
  pki::Time occurred_at;
  // What the type adds: subject_version, state, status_reason, … No personal data, no serials.
  nlohmann::ordered_json members = nlohmann::ordered_json::object();
  std::string institution_id;  // may be left empty where the session has one
};

// Adds events to the outbox, in the session's transaction: they are published, in this order, if it
// commits. For a consent's order in the feed the subject's row must be locked before. One statement
// for every 1,000. Throws std::invalid_argument if `members` is no object or no institution is
// given.
void put_event(Session& session, const Event& event);
void put_events(Session& session, std::span<const Event> events);

// --- publishing: platform sessions ---

// What fan-out tells: institutions with new items, separated by spaces; empty if there are too many
// to name, which means all.
inline constexpr const char* kChangesChannel = "tashika_changes";

struct Published {
  std::size_t events = 0;
  bool is_busy = false;  // somebody else publishes now
};

// Moves up to `limit` events from the outbox into the feeds and tells listeners; the caller
// commits. Positions follow the order of the outbox. Holds the rows of the feeds concerned until
// the commit, so that what readers see is always a whole beginning of the feed. Five statements;
// about 20 us an event.
[[nodiscard]] Published fan_out(Session& platform, std::size_t limit, pki::Time now);

// What has not been published yet. Counts no further than 100,000.
struct Backlog {
  std::size_t events = 0;
  std::optional<pki::Time> oldest;
};
[[nodiscard]] Backlog backlog(Session& platform);

// Removes up to `limit` items of a feed that were published before `before`: only from its
// beginning on, so that what is kept has no holes. Returns how many; the caller commits.
std::size_t prune_feed(Session& platform, const std::string& institution_id, pki::Time before,
                       std::size_t limit);
// The feeds that have something so old at their beginning.
[[nodiscard]] std::vector<std::string> feeds_to_prune(Session& platform, pki::Time before);

// Makes every cursor that was ever given out void, of all institutions: for a database that was
// restored from a backup and may lack commits. The new epoch is higher than any that the lost
// database can have had: it counts minutes. Returns how many feeds there are. Writes audit rows.
std::size_t raise_feed_epoch(Session& platform, pki::Time now);

// How far an institution is with its feed, by what it acknowledged last.
struct FeedStatus {
  std::string institution_id;
  std::string name;
  std::int32_t epoch = 0;
  std::int64_t last_pos = 0;
  std::optional<std::int64_t> acknowledged_pos;  // nothing in this epoch: none
  std::optional<pki::Time> acknowledged_at;
  std::optional<pki::Time> oldest_unacknowledged;  // when that was published
};
[[nodiscard]] std::vector<FeedStatus> feed_status(Session& platform);

// The same of all institutions together.
struct FeedLag {
  std::int64_t items = 0;                // of who is furthest behind, of those that acknowledge
  std::optional<pki::Time> oldest;       // of their items that are not acknowledged: published when
  std::uint64_t institutions = 0;        // that acknowledge, and are behind
  std::uint64_t never_acknowledged = 0;  // that have items and said nothing of them in this epoch
};
[[nodiscard]] FeedLag lag_of(const std::vector<FeedStatus>& feeds);

// --- reading ---

struct FeedHead {
  std::int32_t epoch = 0;
  std::int64_t last_pos = 0;
  std::int64_t pruned_pos = 0;  // the first item that is kept comes after it
};

struct FeedPage {
  FeedHead head;
  std::string retained_from;  // RFC 3339; what was published since is kept
  std::int64_t first_pos = 0;
  std::int64_t last_pos = 0;  // both 0 if there are no items
  std::string items;          // JSON objects with commas between them
};

// The items after `after`; without it, from the beginning of what is kept. One round trip, outside
// of any session, yet bound by row-level security. Throws DatabaseError if there is no such feed.
[[nodiscard]] FeedPage read_feed(Connection& connection, const std::string& institution_id,
                                 std::optional<std::int64_t> after, std::size_t limit);

// The head of the session's institution, for a cursor that is handed out before something is read.
[[nodiscard]] FeedHead feed_head(Session& session);

// Where those feeds end, by institution. One round trip, outside of any session.
[[nodiscard]] std::map<std::string, std::int64_t> feed_ends(
    Connection& connection, const std::vector<std::string>& institution_ids);

// Notes what the institution says it has applied. Repeating it, and going back, are no errors.
void acknowledge_feed(Session& session, std::int32_t epoch, std::int64_t pos, pki::Time now);

}  // namespace server
