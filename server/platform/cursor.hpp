// cursor.hpp: a place in an institution's feed, as clients carry it about: sealed against change,
// and of no use to another institution or environment. Opaque by contract, but not secret.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "server/store/feed.hpp"
#include "server/store/key_ring.hpp"
#include "server/store/sealing.hpp"

namespace server {

struct CursorKey {
  std::uint8_t id = 1;
  SecretKey key;
};

// After which item to go on. Position 0 is before the first.
struct CursorPlace {
  std::int32_t epoch = 0;
  std::int64_t pos = 0;
};

// Any thread. Cost: 2 us each way.
class Cursors {
 public:
  // The first key makes new cursors; all read them.
  Cursors(std::string environment, std::vector<CursorKey> keys);

  // 40 characters of base64url over
  //   version (1) | key id (1) | epoch (4) | pos (8) | HMAC-SHA-256/128 of these 14 octets, the
  //   institution's id and the environment.
  [[nodiscard]] std::string encode(const std::string& institution_id, CursorPlace place) const;

  // Throws Problem(cursor_invalid), whatever is wrong.
  [[nodiscard]] CursorPlace decode(const std::string& institution_id, std::string_view text) const;

 private:
  [[nodiscard]] std::vector<std::uint8_t> seal_of(const CursorKey& key, pki::Bytes place,
                                                  const std::string& institution_id) const;

  std::string environment_;
  std::vector<CursorKey> keys_;
};

// The cursors of this process. The key lies in the database, so they are made when they are first
// needed. Any thread.
class CursorMaker {
 public:
  // `keys` must live as long.
  CursorMaker(KeyRing& keys, std::string environment)
      : keys_(keys), environment_(std::move(environment)) {}

  // Null until get() has succeeded once.
  [[nodiscard]] const Cursors* made() const { return made_.load(std::memory_order_acquire); }
  // Throws as KeyRing::cursor_key does.
  [[nodiscard]] const Cursors& get(Session& session);

 private:
  KeyRing& keys_;
  const std::string environment_;
  std::mutex mutex_;
  std::unique_ptr<const Cursors> cursors_;
  std::atomic<const Cursors*> made_{nullptr};
};

// Is what comes after `place` still there, and of this feed's history? Throws
// Problem(feed_epoch_changed), also for a place that the feed has not reached: then commits were
// lost and nobody raised the epoch, which is logged; and Problem(cursor_expired).
void require_readable(CursorPlace place, const FeedHead& head);

}  // namespace server
