// changes_service.hpp: what happened to an institution's consents, in order, page by page; and
// waiting for more. The contract: openapi.json, getChanges. Knows nothing of HTTP.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <optional>
#include <string>

#include "libpki/asn1_time.hpp"
#include "server/platform/cursor.hpp"
#include "server/platform/waiting_room.hpp"
#include "server/store/database.hpp"
#include "server/store/feed.hpp"

namespace server {

struct ChangesQuery {
  static constexpr std::int64_t kLimitMax = 1000;
  static constexpr std::int64_t kWaitMax = 50;  // s; what lies between often cuts after 60

  std::optional<std::string> cursor;  // without: from the oldest item that is kept
  std::size_t limit = 200;
  std::chrono::seconds wait{0};
};

// Any thread. The database, the room and the cursors must live as long.
class ChangesService {
 public:
  ChangesService(Database& database, WaitingRoom& room, CursorMaker& cursors)
      : database_(database), room_(room), cursors_(cursors) {}

  // The answer of GET /changes, finished: {"items":[…],"first_pos":…,"last_pos":…,
  // "next_cursor":"…","more":…,"feed_epoch":…,"retained_from":"…"}. Without items both positions
  // are null and the cursor is the same as before: also when the wait ended because the client has
  // gone or the server is draining. The coroutine's executor must have one thread.
  // Throws Problem: cursor_invalid, cursor_expired, feed_epoch_changed, too_many_waiters; and
  // DatabaseUnavailable. Cost: one round trip to the database, and one more each time it is woken.
  // The arguments must live until it has ended: who waits keeps no copies.
  [[nodiscard]] boost::asio::awaitable<std::string> page(const std::string& institution_id,
                                                         const ChangesQuery& query,
                                                         const OnPeerGone& on_peer_gone);

  // Notes what the institution has applied. Throws what page() throws, but for the waiting.
  [[nodiscard]] boost::asio::awaitable<void> acknowledge(std::string institution_id,
                                                         std::string cursor, pki::Time now);

 private:
  [[nodiscard]] boost::asio::awaitable<const Cursors*> cursors();
  [[nodiscard]] boost::asio::awaitable<FeedPage> read(const std::string& institution_id,
                                                      const std::optional<CursorPlace>& place,
                                                      std::size_t limit);

  Database& database_;
  WaitingRoom& room_;
  CursorMaker& cursors_;
};

}  // namespace server
