#include "server/snapshot_keeper.hpp"

#include "server/background.hpp"

namespace server {

namespace {
constexpr std::chrono::milliseconds kInterval{50};
}

SnapshotKeeper::SnapshotKeeper(const IssuerSet& issuers, const IndexConfig& index,
                               std::uint64_t cache_bytes) {
  for (const ServedIssuer& issuer : issuers.issuers) {
    watches_.push_back(std::make_unique<IssuerWatch>(issuer, index));
  }
  auto empty = std::make_shared<Snapshot>();
  empty->issuers.resize(issuers.issuers.size());
  empty->responses = std::make_shared<ResponseCache>(cache_bytes);
  current_ = std::move(empty);
  for (std::size_t i = 0; i < watches_.size(); ++i) static_cast<void>(refresh(i));
}

SnapshotKeeper::~SnapshotKeeper() {
  stop();
}

void SnapshotKeeper::stop() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void SnapshotKeeper::start(Announce announce) {
  announce_ = std::move(announce);
  thread_ = std::thread([this] { watch(); });
}

std::shared_ptr<const Snapshot> SnapshotKeeper::current() const {
  const std::lock_guard lock(mutex_);
  return current_;
}

std::uint64_t SnapshotKeeper::open_failures() const {
  std::uint64_t failures = 0;
  for (const auto& watch : watches_) failures += watch->open_failures();
  return failures;
}

void SnapshotKeeper::watch() {
  work_in_background();
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      if (wake_.wait_for(lock, kInterval, [this] { return ending_; })) return;
    }
    for (std::size_t i = 0; i < watches_.size(); ++i) {
      if (refresh(i)) announce_(current());  // at once: the next issuer's may be large
    }
  }
}

// True if there is a new snapshot.
bool SnapshotKeeper::refresh(std::size_t issuer) {
  if (watches_[issuer]->is_at_rest()) return false;
  const std::shared_ptr<const Snapshot> before = current();
  IssuerSnapshot known = before->issuers[issuer];
  if (!watches_[issuer]->refresh(known)) return false;
  auto after = std::make_shared<Snapshot>(*before);
  after->issuers[issuer] = std::move(known);
  const std::lock_guard lock(mutex_);
  current_ = std::move(after);
  return true;
}

}  // namespace server
