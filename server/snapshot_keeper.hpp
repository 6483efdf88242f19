// snapshot_keeper.hpp: notices new generations on disk, opens and verifies them away from the
// workers, and announces a new snapshot.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include "server/ocsp_service.hpp"

namespace server {

class SnapshotKeeper {
 public:
  using Announce = std::function<void(const std::shared_ptr<const Snapshot>&)>;

  // Opens what is there, so that current() is complete. Throws nothing for a missing or damaged
  // index: its issuer is then answered tryLater.
  SnapshotKeeper(const IssuerSet& issuers, const IndexConfig& index, std::uint64_t cache_bytes);
  ~SnapshotKeeper();

  // Looks for new generations four times a second, from a thread of its own; `announce` is called
  // there.
  void start(Announce announce);
  // Announces nothing any more once it returns.
  void stop();

  [[nodiscard]] std::shared_ptr<const Snapshot> current() const;
  [[nodiscard]] std::uint64_t open_failures() const;
  // Why a generation newer than the one in force was refused; empty if none was.
  [[nodiscard]] std::string refused(std::size_t issuer) const;
  [[nodiscard]] const IndexDirectory& directory(std::size_t issuer) const {
    return directories_[issuer];
  }

 private:
  [[nodiscard]] bool refresh();
  [[nodiscard]] std::shared_ptr<const OpenIndex> newest(std::size_t issuer,
                                                        std::shared_ptr<const OpenIndex> current);
  void watch();

  const IssuerSet& issuers_;
  const std::uint64_t cache_bytes_;
  std::vector<IndexDirectory> directories_;
  std::map<std::filesystem::path, std::filesystem::file_time_type> damaged_;  // not tried again

  std::string last_failure_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  // Protected by mutex_:
  std::shared_ptr<const Snapshot> current_;
  std::uint64_t open_failures_ = 0;
  std::map<std::size_t, std::string> refused_;  // by issuer
  bool ending_ = false;

  Announce announce_;
  std::thread thread_;
};

}  // namespace server
