// response_cache.hpp: signed responses, so that a popular one is signed once.
//
// Two levels: a shared one, bounded in bytes, behind a mutex a shard; and before it one a worker,
// which needs no lock. The shared level makes a response the same on every worker, so that its ETag
// is, too.
//
// Nothing is taken out when an issuer publishes. A response knows of which issuers, in which
// version, it was made; who finds one asks whether that is still so (Snapshot::still_says), and
// signs another one in its place if not. So a request about several issuers needs no rule of its
// own, and a publish costs the other issuers nothing.
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
  // An issuer that the response is about, and the version of what was known of it.
  struct Source {
    std::uint32_t issuer = 0;   // in the IssuerSet
    std::uint64_t version = 0;  // IssuerSnapshot::version
    friend bool operator==(const Source&, const Source&) = default;
  };

  std::vector<std::uint8_t> key;   // what was asked: scope and requestList
  std::vector<std::uint8_t> body;  // OCSPResponse
  Outcome outcome = Outcome::good;
  pki::Time next_update;        // not to be given from then on
  std::string etag;             // quoted
  std::string headers;          // that do not change with time: Content-Type, Last-Modified, ETag
  std::vector<Source> sources;  // each issuer once
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

  // Keeps `response`, in place of one that was made of something else or ends earlier. But if
  // another thread was first with one that is as good, returns that. Makes room by dropping the
  // oldest.
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
// which is what one or two CertIDs take; larger ones are left to the shared level. What is outdated
// stays until its slot is used again.
class WorkerCache {
 public:
  [[nodiscard]] const CachedResponsePointer& find(const CacheKey& key) const;
  void insert(const CacheKey& key, CachedResponsePointer response);

 private:
  static constexpr std::size_t kSlots = 2048;
  static constexpr std::size_t kResponseBytesMax = 3072;
  std::vector<CachedResponsePointer> slots_ = std::vector<CachedResponsePointer>(kSlots);
};

}  // namespace server
