// caller_cache.hpp: who calls, by the certificate of the connection; asked of the database at most
// every two seconds. It must not know HTTP.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <map>
#include <mutex>
#include <optional>

#include "server/store/database.hpp"
#include "server/store/institutions.hpp"

namespace server {

class CallerCache {
 public:
  using Clock = std::chrono::steady_clock;
  // How long a certificate that was revoked may still get in, if the notification of it was lost.
  static constexpr std::chrono::seconds kKept{2};

  explicit CallerCache(Database& database) : database_(database) {}

  // Nothing if nobody registered that certificate. Throws DatabaseUnavailable. Any thread.
  [[nodiscard]] boost::asio::awaitable<std::optional<Caller>> find(Thumbprint thumbprint,
                                                                   Clock::time_point now);

  // Institutions or certificates have changed: what is known may be wrong.
  void clear();

 private:
  struct Entry {
    std::optional<Caller> caller;
    Clock::time_point until;
  };
  void keep(const Thumbprint& thumbprint, Entry entry, std::uint64_t cleared_before);

  Database& database_;
  std::mutex mutex_;
  // Protected by mutex_:
  std::map<Thumbprint, Entry> entries_;
  std::uint64_t cleared_ = 0;  // how often
};

}  // namespace server
