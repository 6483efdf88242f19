// feed.hpp: what happened, from the transaction that did it to a position in an institution's feed.
// API.md 4 has the guarantees. Knows nothing of cursors, of HTTP, or of what the events mean.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>

#include "libpki/asn1_time.hpp"
#include "server/store/connection.hpp"

namespace server {

// The types of API.md 4, in its order.
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

}  // namespace server
