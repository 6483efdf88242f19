#include "server/api/caller_cache.hpp"

namespace server {

namespace {
constexpr std::size_t kEntriesMax = 10'000;
}  // namespace

boost::asio::awaitable<std::optional<Caller>> CallerCache::find(Thumbprint thumbprint,
                                                                Clock::time_point now) {
  std::uint64_t cleared_before = 0;
  {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(thumbprint);
    if (found != entries_.end() && found->second.until > now) co_return found->second.caller;
    cleared_before = cleared_;
  }
  // With a name: g++ 12 destroys the captures of a lambda inside of co_await twice.
  const auto look_up = [thumbprint](Connection& connection) {
    Session session(connection);
    return authenticate(session, thumbprint);
  };
  auto caller = co_await database_.run(look_up);
  keep(thumbprint, {caller, now + kKept}, cleared_before);
  co_return caller;
}

void CallerCache::clear() {
  const std::lock_guard lock(mutex_);
  entries_.clear();
  ++cleared_;
}

// What was read before a change was announced is not kept after it.
void CallerCache::keep(const Thumbprint& thumbprint, Entry entry, std::uint64_t cleared_before) {
  const std::lock_guard lock(mutex_);
  if (cleared_ != cleared_before) return;
  if (entries_.size() >= kEntriesMax) entries_.clear();
  entries_.insert_or_assign(thumbprint, std::move(entry));
}

}  // namespace server
