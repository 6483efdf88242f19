// last_positions.hpp: where detection was with each issuer when somebody last looked. It moves a
// few times a day, so whoever would read it can expect it to be there still, and have that
// verified.
#pragma once

#include <map>
#include <mutex>
#include <optional>

#include "server/store/query_steps.hpp"

namespace server {

// Safe to use from all threads.
class LastPositions {
 public:
  [[nodiscard]] std::optional<ReadPosition> find(const IssuerKeyHash& issuer) const {
    const std::lock_guard lock(mutex_);
    const auto found = positions_.find(issuer);
    return found == positions_.end() ? std::nullopt : std::optional(found->second);
  }
  void keep(const IssuerKeyHash& issuer, const ReadPosition& position) {
    const std::lock_guard lock(mutex_);
    positions_.insert_or_assign(issuer, position);
  }

 private:
  mutable std::mutex mutex_;
  std::map<IssuerKeyHash, ReadPosition> positions_;  // of issuers that are configured: a few
};

}  // namespace server
