#include "server/response_cache.hpp"

#include <xxhash.h>

#include <cstdlib>
#include <cstring>

namespace server {

std::string_view to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::good: return "good";
    case Outcome::revoked: return "revoked";
    case Outcome::unknown: return "unknown";
    case Outcome::unauthorized: return "unauthorized";
    case Outcome::malformed: return "malformed";
    case Outcome::try_later: return "try_later";
    case Outcome::internal_error: return "internal_error";
  }
  std::abort();
}

CacheKey::CacheKey(std::uint32_t scope_number, pki::Bytes list)
    : hash(XXH3_64bits_withSeed(list.data(), list.size(), scope_number)),
      scope(scope_number),
      request_list(list) {}

bool CacheKey::is_of(const CachedResponse& response) const {
  const std::vector<std::uint8_t>& key = response.key;
  return key.size() == sizeof scope + request_list.size() &&
         std::memcmp(key.data(), &scope, sizeof scope) == 0 &&
         std::memcmp(key.data() + sizeof scope, request_list.data(), request_list.size()) == 0;
}

std::vector<std::uint8_t> CacheKey::to_bytes() const {
  std::vector<std::uint8_t> out(sizeof scope + request_list.size());
  std::memcpy(out.data(), &scope, sizeof scope);
  std::memcpy(out.data() + sizeof scope, request_list.data(), request_list.size());
  return out;
}

CachedResponsePointer ResponseCache::find(const CacheKey& key) const {
  const Shard& shard = shards_[key.hash % kShards];
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.responses.find(key.hash);
  if (found == shard.responses.end() || !key.is_of(*found->second)) return nullptr;
  return found->second;
}

CachedResponsePointer ResponseCache::insert(const CacheKey& key, CachedResponsePointer response) {
  Shard& shard = shards_[key.hash % kShards];
  const std::lock_guard lock(shard.mutex);
  const auto [place, is_new] = shard.responses.try_emplace(key.hash, response);
  if (is_new) {
    shard.by_age.push_back(key.hash);
  } else {
    CachedResponsePointer& kept = place->second;
    if (!key.is_of(*kept)) return response;  // by a chance of 2^-64: it stays uncached
    const bool as_good =
        kept->sources == response->sources && kept->next_update >= response->next_update;
    if (as_good) return kept;
    shard.bytes -= size_of(*kept);
    kept = response;
  }
  shard.bytes += size_of(*response);
  while (shard.bytes > shard_bytes_max_) {
    const auto oldest = shard.responses.find(shard.by_age.front());
    shard.bytes -= size_of(*oldest->second);
    shard.responses.erase(oldest);
    shard.by_age.pop_front();
  }
  return response;
}

std::uint64_t ResponseCache::size_of(const CachedResponse& response) {
  constexpr std::uint64_t kOverhead = 256;  // nodes, pointers, allocation
  return kOverhead + sizeof response + response.key.size() + response.body.size() +
         response.etag.size() + response.headers.size() +
         response.sources.size() * sizeof(CachedResponse::Source);
}

const CachedResponsePointer& WorkerCache::find(const CacheKey& key) const {
  static const CachedResponsePointer kNone;
  const CachedResponsePointer& slot = slots_[key.hash % kSlots];
  return slot && key.is_of(*slot) ? slot : kNone;
}

void WorkerCache::insert(const CacheKey& key, CachedResponsePointer response) {
  if (response->body.size() + response->key.size() > kResponseBytesMax) return;
  slots_[key.hash % kSlots] = std::move(response);
}

}  // namespace server
