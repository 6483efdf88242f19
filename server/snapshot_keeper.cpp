#include "server/snapshot_keeper.hpp"

#include "libpki/crypto.hpp"
#include "server/log.hpp"

namespace server {

namespace {
constexpr std::chrono::milliseconds kInterval{250};
}

SnapshotKeeper::SnapshotKeeper(const IssuerSet& issuers, const IndexConfig& index,
                               std::uint64_t cache_bytes)
    : issuers_(issuers), cache_bytes_(cache_bytes) {
  for (const ServedIssuer& issuer : issuers.issuers) {
    directories_.emplace_back(index, issuer.config.name);
  }
  auto empty = std::make_shared<Snapshot>();
  empty->indexes.resize(issuers.issuers.size());
  empty->responses = std::make_shared<ResponseCache>(cache_bytes_);
  current_ = std::move(empty);
  static_cast<void>(refresh());
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

std::string SnapshotKeeper::refused(std::size_t issuer) const {
  const std::lock_guard lock(mutex_);
  const auto found = refused_.find(issuer);
  return found == refused_.end() ? std::string() : found->second;
}

std::uint64_t SnapshotKeeper::open_failures() const {
  const std::lock_guard lock(mutex_);
  return open_failures_;
}

void SnapshotKeeper::watch() {
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      if (wake_.wait_for(lock, kInterval, [this] { return ending_; })) return;
    }
    if (refresh()) announce_(current());
  }
}

// True if there is a new snapshot.
bool SnapshotKeeper::refresh() {
  const std::shared_ptr<const Snapshot> before = current();
  auto after = std::make_shared<Snapshot>();
  bool changed = false;
  for (std::size_t i = 0; i < directories_.size(); ++i) {
    after->indexes.push_back(newest(i, before->indexes[i]));
    changed = changed || after->indexes[i] != before->indexes[i];
  }
  if (!changed) return false;
  after->responses = std::make_shared<ResponseCache>(cache_bytes_);
  const std::lock_guard lock(mutex_);
  current_ = std::move(after);
  return true;
}

// The newest generation that is sound and of this issuer; `current`, if there is no newer one.
std::shared_ptr<const OpenIndex> SnapshotKeeper::newest(std::size_t issuer,
                                                        std::shared_ptr<const OpenIndex> current) {
  const std::string& name = issuers_.issuers[issuer].config.name;
  bool newer_refused = false;  // than the one that is opened in the end
  const auto refuse = [&](const std::filesystem::path& path, const std::string& why) {
    std::error_code ignored;
    damaged_[path] = std::filesystem::last_write_time(path, ignored);
    log(Level::error, "index_refused", {{"issuer", name}, {"file", path.string()}, {"error", why}});
    const std::lock_guard lock(mutex_);
    ++open_failures_;
    refused_[issuer] = why;
    newer_refused = true;
  };
  try {
    const std::vector<std::uint64_t> numbers = directories_[issuer].generations();
    // Generations count up, unless somebody cleared the directory and they began again.
    std::error_code gone;
    const bool began_again =
        current &&
        (std::filesystem::last_write_time(current->path, gone) != current->written_at || gone);
    for (auto number = numbers.rbegin(); number != numbers.rend(); ++number) {
      if (current && !began_again && *number <= current->index.generation()) break;
      const std::filesystem::path path = directories_[issuer].generation_path(*number);
      const auto known = damaged_.find(path);
      if (known != damaged_.end() && known->second == std::filesystem::last_write_time(path)) {
        newer_refused = true;
        continue;
      }
      const auto open = open_index(path);
      if (!open) {
        refuse(path, pki::to_string(open.error()));
        continue;
      }
      if ((*open)->index.generation() != *number) {
        refuse(path, "its name is not that of its generation");
        continue;
      }
      if (began_again &&
          (*open)->index.lists().front().number < current->index.lists().front().number) {
        refuse(path, std::string(pki::explain(pki::Errc::crl_number_decreased)));
        continue;
      }
      const pki::Digest key = pki::digest(pki::DigestAlgorithm::sha256,
                                          issuers_.issuers[issuer].certificate->certificate.spki);
      if (!pki::equal((*open)->index.issuer_key_hash(), key.bytes())) {
        refuse(path, std::string(pki::explain(pki::Errc::index_other_issuer)));
        continue;
      }
      const pki::Index& index = (*open)->index;
      log(Level::info, "index_opened",
          {{"issuer", name},
           {"generation", index.generation()},
           {"crl_number", index.lists().front().number.to_string()},
           {"entries", index.entry_count()},
           {"next_update", pki::to_string(index.next_update())}});
      const std::lock_guard lock(mutex_);
      if (!newer_refused) refused_.erase(issuer);
      return *open;
    }
  } catch (const std::system_error& error) {  // deleted meanwhile, or the disk: try again next time
    if (last_failure_ != error.what()) {      // once, not four times a second
      last_failure_ = error.what();
      log(Level::warning, "index_not_read", {{"issuer", name}, {"error", last_failure_}});
    }
  }
  return current;
}

}  // namespace server
