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

constexpr std::array<std::string_view, 15> kNames{
    "certificate.revoked",    "certificate.held",         "certificate.released",
    "subject.update_pending", "subject.update_available", "subject.update_delivered",
    "subject.update_lapsed",  "consent.activated",        "consent.rejected",
    "consent.withdrawn",      "consent.expiring",         "consent.expired",
    "consent.superseded",     "token.reissue_needed",     "status.stale"};
static_assert(kNames.size() == static_cast<std::size_t>(EventType::status_stale) + 1);

constexpr std::size_t kPutBatch = 1000;

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
  sql::exec(session, kPut, sql::text_array(columns[0]), sql::text_array(columns[1]),
            sql::text_array(columns[2]), sql::text_array(columns[3]), sql::text_array(columns[4]),
            sql::text_array(columns[5]), sql::text_array(columns[6]));
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

}  // namespace server
