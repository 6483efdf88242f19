// response_cache.hpp: signed responses of one generation, so that a popular one is signed once.
//
// Two levels: a shared one, bounded in bytes, behind a mutex a shard; and before it one a worker,
// which needs no lock. The shared level makes a response the same on every worker, so that its ETag
// is, too.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "libpki/asn1_time.hpp"
#include "libpki/bytes.hpp"

namespace server {

// How a request ended; the label of the metrics.
enum class Outcome : std::uint8_t {
  good,
  revoked,
  unknown,
  unauthorized,
  malformed,
  try_later,
  internal_error,
};
inline constexpr std::size_t kOutcomeCount = 7;
[[nodiscard]] std::string_view to_string(Outcome outcome);

// A response that may be given again. Immutable.
struct CachedResponse {
  std::vector<std::uint8_t> key;   // what was asked: scope and requestList
  std::vector<std::uint8_t> body;  // OCSPResponse
  Outcome outcome = Outcome::good;
  pki::Time next_update;  // not to be given from then on
  std::string etag;       // quoted
  std::string headers;    // that do not change with time: Content-Type, Last-Modified, ETag
};
using CachedResponsePointer = std::shared_ptr<const CachedResponse>;

// What is looked for. The hash is made once for both levels.
struct CacheKey {
  std::uint64_t hash = 0;
  std::uint32_t scope = 0;
  pki::Bytes request_list;

  CacheKey(std::uint32_t scope_number, pki::Bytes list);
  [[nodiscard]] bool is_of(const CachedResponse& response) const;
  [[nodiscard]] std::vector<std::uint8_t> to_bytes() const;
};

// The shared level. Any thread.
class ResponseCache {
 public:
  explicit ResponseCache(std::uint64_t bytes_max) : shard_bytes_max_(bytes_max / kShards) {}

  [[nodiscard]] CachedResponsePointer find(const CacheKey& key) const;

  // Keeps `response`, unless another thread was first: then returns that one. Makes room by
  // dropping the oldest.
  CachedResponsePointer insert(const CacheKey& key, CachedResponsePointer response);

 private:
  static constexpr std::size_t kShards = 64;
  struct Shard {
    mutable std::mutex mutex;
    // Protected by mutex:
    std::unordered_map<std::uint64_t, CachedResponsePointer> responses;
    std::deque<std::uint64_t> by_age;
    std::uint64_t bytes = 0;
  };
  [[nodiscard]] static std::uint64_t size_of(const CachedResponse& response);

  const std::uint64_t shard_bytes_max_;
  std::array<Shard, kShards> shards_;
};

// The level of one worker: direct-mapped, at most kSlots responses of at most kResponseBytesMax,
// which is what one or two CertIDs take; larger ones are left to the shared level.
class WorkerCache {
 public:
  [[nodiscard]] const CachedResponsePointer& find(const CacheKey& key) const;
  void insert(const CacheKey& key, CachedResponsePointer response);
  void clear() { slots_.assign(kSlots, {}); }

 private:
  static constexpr std::size_t kSlots = 2048;
  static constexpr std::size_t kResponseBytesMax = 3072;
  std::vector<CachedResponsePointer> slots_ = std::vector<CachedResponsePointer>(kSlots);
};

}  // namespace server
