// database_watch.hpp: the API's own thread beside its database: forgets callers when institutions
// change, and knows whether the database is there and is of this program's version.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "server/api/caller_cache.hpp"
#include "server/platform_config.hpp"
#include "server/store/key_ring.hpp"

namespace server {

class DatabaseWatch {
 public:
  // Begins at once. The database need not be there. Makes the first key that signs tokens.
  DatabaseWatch(const DatabaseConfig& config, CallerCache& callers, KeyRing& keys,
                std::function<pki::Time()> clock);
  ~DatabaseWatch();

  // Why the database is of no use now; empty if it is. At most a second old.
  [[nodiscard]] std::string fault() const;

 private:
  void run();
  void check(std::optional<Connection>& connection);
  void set_fault(std::string fault);
  [[nodiscard]] bool is_ending() const;

  const DatabaseConfig config_;
  CallerCache& callers_;
  KeyRing& keys_;
  const std::function<pki::Time()> clock_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  // Protected by mutex_:
  std::string fault_ = "not asked yet";
  bool ending_ = false;

  std::thread thread_;
};

}  // namespace server
