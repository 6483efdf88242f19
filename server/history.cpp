#include "server/history.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "libpki/crypto.hpp"
#include "server/files.hpp"
#include "server/log.hpp"

namespace server {

namespace fs = std::filesystem;

namespace {

constexpr std::array<char, 8> kMagic = {'T', 'A', 'S', 'H', 'H', 'I', 'S', '1'};
constexpr std::size_t kSerialMax = 21;

// All numbers are little-endian, as in the index files.
struct Header {
  std::array<char, 8> magic;
  std::int64_t begins;                           // Unix seconds
  std::array<std::uint8_t, 32> issuer_key_hash;  // SHA-256 of the SubjectPublicKeyInfo
  std::array<std::uint8_t, 16> reserved;         // zero
};
static_assert(sizeof(Header) == 64);

struct Record {
  std::uint8_t serial_bytes;  // DER content octets
  std::array<std::uint8_t, kSerialMax> serial;
  std::uint8_t reason;
  std::uint8_t was_changed;  // 1; 0: the serial was gone
  std::int64_t date;         // Unix seconds, like the two below
  std::int64_t last_seen;
  std::int64_t until;
  std::uint64_t generation;
  std::array<std::uint8_t, 8> checksum;  // the first octets of the SHA-256 of what is before
};
static_assert(sizeof(Record) == 64);

std::int64_t seconds(pki::Time time) {
  return time.time_since_epoch().count();
}

pki::Time time(std::int64_t seconds) {
  return pki::Time{std::chrono::seconds{seconds}};
}

template <class T>
pki::Bytes bytes_of(const T& value) {
  return {reinterpret_cast<const std::uint8_t*>(&value), sizeof value};
}

std::array<std::uint8_t, 8> checksum_of(const Record& record) {
  const pki::Digest digest =
      pki::digest(pki::DigestAlgorithm::sha256, bytes_of(record).first(offsetof(Record, checksum)));
  std::array<std::uint8_t, 8> out{};
  std::copy_n(digest.octets.begin(), out.size(), out.begin());
  return out;
}

// thisUpdate of what `after` goes by for a serial that `before` found: of the list that has it now,
// or of the one that takes the place of the list that had it. Parts are published on their own, so
// that the oldest list of all says nothing of when this one changed.
pki::Time time_of_change(const pki::SerialKey& key, const pki::Generation& before,
                         const pki::Finding& was, const pki::Generation& after) {
  const pki::Finding is = after.find(key);
  if (is.revocation) return after.freshness(is).this_update;
  const auto same =
      std::ranges::find(after.lists(), before.lists()[was.list].scope, &pki::IndexedList::scope);
  if (same == after.lists().end()) return after.this_update();
  const auto list = static_cast<std::size_t>(same - after.lists().begin());
  return after.freshness().of(list).this_update;
}

Record record_of(const pki::Difference& difference, const pki::Generation& before,
                 const pki::Generation& after) {
  Record out{};
  const pki::Finding was = before.find(difference.key);
  const std::vector<std::uint8_t> serial = difference.key.to_der();
  out.serial_bytes = static_cast<std::uint8_t>(serial.size());
  std::ranges::copy(serial, out.serial.begin());
  out.reason = static_cast<std::uint8_t>(difference.before->reason);
  out.was_changed = difference.after ? 1 : 0;
  out.date = seconds(difference.before->date);
  out.last_seen = seconds(before.freshness(was).this_update);
  out.until = seconds(time_of_change(difference.key, before, was, after));
  out.generation = after.number();
  out.checksum = checksum_of(out);
  return out;
}

// The header and the whole records of a mapped file; nothing if it is none of ours.
struct View {
  Header header;
  pki::Bytes records;
  [[nodiscard]] std::size_t count() const { return records.size() / sizeof(Record); }
  [[nodiscard]] Record at(std::size_t i) const {
    Record record;
    std::memcpy(&record, records.data() + i * sizeof record, sizeof record);
    return record;
  }
};
std::optional<View> view_of(pki::Bytes file) {
  View out{};
  if (file.size() < sizeof(Header)) return std::nullopt;
  std::memcpy(&out.header, file.data(), sizeof(Header));
  if (out.header.magic != kMagic) return std::nullopt;
  const std::size_t bytes = file.size() - sizeof(Header);
  out.records = file.subspan(sizeof(Header), bytes - bytes % sizeof(Record));
  return out;
}

void write_all(int fd, pki::Bytes data, const fs::path& path) {
  while (!data.empty()) {
    const ssize_t written = ::write(fd, data.data(), data.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw_errno("write to", path);
    data = data.subspan(static_cast<std::size_t>(written));
  }
}

// Where the next record goes: behind the last one of a generation that was published.
std::uint64_t end_of(const View& view, std::uint64_t newest_generation) {
  std::size_t count = view.count();
  while (count > 0) {
    const Record last = view.at(count - 1);
    if (last.checksum == checksum_of(last) && last.generation <= newest_generation) break;
    --count;
  }
  return sizeof(Header) + count * sizeof(Record);
}

}  // namespace

History::History(const fs::path& directory) : path_(directory / "history.log") {}

void History::append(const pki::Generation* before, const pki::Generation& after,
                     const std::function<void(const pki::Difference&)>& each) const {
  // Records of generations that never were are cut off; without a `before`, all there are may stay.
  const std::uint64_t newest = before != nullptr ? before->number() : after.number() - 1;
  std::uint64_t end = 0;
  if (fs::exists(path_)) {
    const MappedFile file(path_);
    const auto view = view_of(file.bytes());
    const bool ours =
        view && pki::equal(view->header.issuer_key_hash, after.head().issuer_key_hash());
    if (ours) end = end_of(*view, newest);
  }
  const FileDescriptor fd(::open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  if (!fd) throw_errno("open", path_);
  if (::ftruncate(fd.get(), static_cast<off_t>(end)) != 0) throw_errno("truncate", path_);
  std::vector<std::uint8_t> buffer;
  const auto put = [&buffer](pki::Bytes octets) {
    buffer.insert(buffer.end(), octets.begin(), octets.end());
  };
  if (end == 0 || before == nullptr) {
    Header header{
        kMagic, seconds(before != nullptr ? before->this_update() : after.this_update()), {}, {}};
    std::ranges::copy(after.head().issuer_key_hash(), header.issuer_key_hash.begin());
    write_all(fd.get(), bytes_of(header), path_);
  }
  if (::lseek(fd.get(), 0, SEEK_END) < 0) throw_errno("seek in", path_);
  constexpr std::size_t kFlushBytes = 1 << 20;
  if (before != nullptr) {
    pki::diff(*before, after, [&](const pki::Difference& difference) {
      each(difference);
      if (!difference.before) return;
      put(bytes_of(record_of(difference, *before, after)));
      if (buffer.size() < kFlushBytes) return;
      write_all(fd.get(), buffer, path_);
      buffer.clear();
    });
  }
  write_all(fd.get(), buffer, path_);
  if (::fsync(fd.get()) != 0) throw_errno("sync", path_);
  if (end == 0) sync_directory(path_.parent_path());
}

std::uint64_t History::newest_generation() const {
  if (!fs::exists(path_)) return 0;
  const MappedFile file(path_);
  const auto view = view_of(file.bytes());
  if (!view) return 0;
  for (std::size_t i = view->count(); i > 0; --i) {
    const Record record = view->at(i - 1);
    if (record.checksum == checksum_of(record)) return record.generation;
  }
  return 0;
}

void History::prune(pki::Time oldest) const {
  if (!fs::exists(path_)) return;
  const MappedFile file(path_);
  const auto view = view_of(file.bytes());
  if (!view) return;
  // Records ascend by `until` as generations do, or nearly: parts have times of their own.
  std::size_t old = 0;
  while (old < view->count() && view->at(old).until < seconds(oldest)) ++old;
  if (old == 0 || old < view->count() / 2) return;
  Header header = view->header;
  header.begins = seconds(oldest);
  NewFile shorter(path_.parent_path());
  shorter.write_at(0, bytes_of(header));
  shorter.write_at(sizeof header, view->records.subspan(old * sizeof(Record)));
  shorter.sync();
  shorter.publish(path_, 0644);
}

std::optional<History::Past> History::find(const pki::SerialKey& key) const {
  if (!fs::exists(path_)) return std::nullopt;
  const MappedFile file(path_);
  const auto view = view_of(file.bytes());
  if (!view) return std::nullopt;
  const std::vector<std::uint8_t> serial = key.to_der();
  Past out{time(view->header.begins), {}};
  for (std::size_t i = 0; i < view->count(); ++i) {
    const std::uint8_t* const at = view->records.data() + i * sizeof(Record);
    if (at[0] != serial.size() || std::memcmp(at + 1, serial.data(), serial.size()) != 0) continue;
    const Record record = view->at(i);
    if (record.checksum != checksum_of(record)) {
      log(Level::error, "history_damaged", {{"file", path_.string()}, {"record", i}});
      continue;
    }
    out.entries.push_back({{time(record.date), static_cast<pki::Reason>(record.reason)},
                           time(record.last_seen),
                           time(record.until),
                           record.was_changed == 1});
  }
  return out;
}

}  // namespace server
