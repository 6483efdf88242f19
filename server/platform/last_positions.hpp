// last_positions.hpp: where detection was with each issuer when somebody last looked. It moves when
// lists are published, so whoever would read it can expect it to be there still; and must have that
// verified.
#pragma once

#include <map>
#include <mutex>
#include <optional>

#include "server/store/watching.hpp"

namespace server {

// Safe to use from all threads.
class LastPositions {
 public:
  [[nodiscard]] std::optional<IssuerPosition> find(const IssuerKeyHash& issuer) const {
    const std::lock_guard lock(mutex_);
    const auto found = positions_.find(issuer);
    return found == positions_.end() ? std::nullopt : std::optional(found->second);
  }
  void keep(const IssuerKeyHash& issuer, const IssuerPosition& position) {
    const std::lock_guard lock(mutex_);
    positions_.insert_or_assign(issuer, position);
  }

 private:
  mutable std::mutex mutex_;
  std::map<IssuerKeyHash, IssuerPosition> positions_;  // of issuers that are configured: a few
};

}  // namespace server
