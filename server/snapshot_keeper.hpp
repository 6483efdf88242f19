// snapshot_keeper.hpp: keeps the snapshot that is served up to date, away from the workers, and
// announces each new one.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "server/issuer_watch.hpp"

namespace server {

class SnapshotKeeper {
 public:
  using Announce = std::function<void(const std::shared_ptr<const Snapshot>&)>;

  // Opens what is there, so that current() is complete. Throws nothing for a missing or damaged
  // index: its issuer is then answered tryLater.
  SnapshotKeeper(const IssuerSet& issuers, const IndexConfig& index, std::uint64_t cache_bytes);
  ~SnapshotKeeper();

  // Looks for new generations twenty times a second, from a thread of its own; `announce` is called
  // there. A look costs one stat an issuer.
  void start(Announce announce);
  // Announces nothing any more once it returns.
  void stop();

  // The one place for what is in force, and for why something newer is not.
  [[nodiscard]] std::shared_ptr<const Snapshot> current() const;
  [[nodiscard]] std::uint64_t open_failures() const;
  [[nodiscard]] const IndexDirectory& directory(std::size_t issuer) const {
    return watches_[issuer]->directory();
  }

 private:
  [[nodiscard]] bool refresh(std::size_t issuer);
  void watch();

  std::vector<std::unique_ptr<IssuerWatch>> watches_;  // by issuer

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  // Protected by mutex_:
  std::shared_ptr<const Snapshot> current_;
  bool ending_ = false;

  Announce announce_;
  std::thread thread_;
};

}  // namespace server
