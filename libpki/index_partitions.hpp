// index_partitions.hpp: where the index writer keeps entries before they are sorted: packed records
// in chunks of memory, one chain of chunks a partition, the overflow in a scratch storage.
#pragma once

#include <algorithm>
#include <array>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "libpki/index_writer.hpp"

namespace pki {

// What is written of an entry besides its key.
struct EntryStatus {
  std::uint32_t time = 0;  // since kRevocationEpoch
  Reason reason = Reason::absent;
  std::uint16_t list = 0;
};

// A revoked serial as it lies in a chunk: 14 octets, the tail, and where there are several lists
// (`list_bytes` is 2, else 0) which one it is of. Not aligned.
struct PackedEntry {
  static constexpr std::size_t kTail = 14;
  static constexpr std::size_t kListBytes = 2;
  static constexpr std::size_t kBytesMax = kTail + SerialKey::kTailMax + kListBytes;

  static std::size_t bytes(std::size_t group, std::size_t list_bytes) {
    return kTail + SerialKey::tail_size_of(group) + list_bytes;
  }

  static std::size_t write(std::uint8_t* at, const SerialKey& key, const EntryStatus& status,
                           std::size_t list_bytes) {
    at[0] = key.group;
    at[1] = static_cast<std::uint8_t>(status.reason);
    std::memcpy(at + 2, &status.time, 4);
    std::memcpy(at + 6, &key.lead, 8);
    std::uint8_t* end = at + kTail;
    if (key.group != 0) {  // not of the usual width
      std::memcpy(end, key.tail.data(), key.tail_size());
      end += key.tail_size();
    }
    if (list_bytes > 0) std::memcpy(end, &status.list, kListBytes);
    return static_cast<std::size_t>(end - at) + list_bytes;
  }
  static std::size_t group(const std::uint8_t* at) { return at[0]; }
  static Reason reason(const std::uint8_t* at) { return static_cast<Reason>(at[1]); }
  static std::uint32_t time(const std::uint8_t* at) {
    std::uint32_t value = 0;
    std::memcpy(&value, at + 2, 4);
    return value;
  }
  static std::uint64_t lead(const std::uint8_t* at) {
    std::uint64_t value = 0;
    std::memcpy(&value, at + 6, 8);
    return value;
  }
  static const std::uint8_t* tail(const std::uint8_t* at) { return at + kTail; }
  // Only where there are several lists.
  static std::uint16_t list(const std::uint8_t* at) {
    std::uint16_t value = 0;
    std::memcpy(&value, at + bytes(group(at), 0), kListBytes);
    return value;
  }
  static EntryStatus status(const std::uint8_t* at, std::size_t list_bytes) {
    return {time(at), reason(at), list_bytes > 0 ? list(at) : std::uint16_t{0}};
  }
  static SerialKey key(const std::uint8_t* at) {
    SerialKey out;
    out.group = at[0];
    out.lead = lead(at);
    std::memcpy(out.tail.data(), tail(at), out.tail_size());
    return out;
  }
};

// SlabSource hands out large pieces of memory that it has touched beforehand, on a thread of its
// own: the first touch of fresh memory costs as much as reading the entries that go there. The
// thread starts with the first take().
class SlabSource {
 public:
  static constexpr std::size_t kSlabBytes = std::size_t{4} << 20;
  using Slab = std::unique_ptr<std::uint8_t, void (*)(void*)>;

  explicit SlabSource(std::uint64_t slabs_max) : slabs_left_(slabs_max) {}
  ~SlabSource();

  // A slab; waits for it if need be. At most slabs_max times. Throws std::bad_alloc.
  [[nodiscard]] Slab take();

 private:
  static constexpr std::size_t kAhead = 8;
  void produce();

  std::mutex mutex_;
  std::condition_variable changed_;
  // Protected by mutex_:
  std::deque<Slab> ready_;
  std::uint64_t slabs_left_;
  bool ending_ = false;

  std::thread thread_;
};

// kCount chains of packed entries, by the leading bits of the lead.
class IndexWriter::Partitions {
 public:
  static constexpr unsigned kBits = 10;
  static constexpr std::size_t kCount = std::size_t{1} << kBits;

  Partitions(std::uint64_t memory_bytes, std::size_t list_bytes, Storage& scratch)
      : list_bytes_(list_bytes),
        slabs_left_(std::max<std::uint64_t>(memory_bytes, kCount * kChunkBytes) /
                    SlabSource::kSlabBytes),
        source_(slabs_left_),
        scratch_(scratch),
        chains_(kCount) {}

  static std::size_t of(std::uint64_t lead) { return lead >> (64 - kBits); }

  // Takes one entry. It is written a little later: a thousand chains do not fit into the nearest
  // caches, so the place of an entry is asked for well before it is needed.
  void put(const SerialKey& key, const EntryStatus& status) {
    Pending& slot = pending_[pending_count_ % kPending];
    if (pending_count_ >= kPending) commit(slot);
    slot = {key, status};
    __builtin_prefetch(&chains_[of(key.lead)], 1);
    if (pending_count_ >= kPending / 2) {
      const Pending& halfway = pending_[(pending_count_ - kPending / 2) % kPending];
      __builtin_prefetch(chains_[of(halfway.key.lead)].next, 1);
    }
    ++pending_count_;
  }

  // Calls visit(const std::uint8_t* entry) for each entry of a partition. Thread-safe once all is
  // in.
  template <class Visit>
  void for_each(std::size_t partition, Visit&& visit) const {
    const Chain& chain = chains_[partition];
    for (const Piece& piece : chain.spilled)
      walk(spilled_.data() + piece.offset, piece.bytes, visit);
    for (const std::uint8_t* chunk : chain.full) {
      walk(chunk, chunk_bytes(chunk), visit);
    }
    if (chain.next != nullptr) walk(start(chain), used(chain), visit);
  }

  // To be called once, after the last put and before for_each.
  void seal() {
    const std::uint64_t waiting = std::min<std::uint64_t>(pending_count_, kPending);
    for (std::uint64_t i = pending_count_ - waiting; i < pending_count_; ++i) {
      commit(pending_[i % kPending]);
    }
    if (scratch_bytes_ > 0) spilled_ = scratch_.read_back();
  }
  [[nodiscard]] std::uint64_t scratch_bytes() const { return scratch_bytes_; }

 private:
  static constexpr std::size_t kChunkBytes = std::size_t{64} << 10;
  static constexpr std::size_t kHeader = 8;  // how many octets of a full chunk are used

  static constexpr std::size_t kPending = 32;

  struct Pending {
    SerialKey key;
    EntryStatus status;
  };
  struct Piece {
    std::uint64_t offset;
    std::uint64_t bytes;
  };
  struct Chain {
    std::uint8_t* next = nullptr;  // in the chunk being filled
    std::size_t free = 0;
    std::vector<std::uint8_t*> full;
    std::vector<Piece> spilled;
  };

  static std::size_t used(const Chain& chain) { return kChunkBytes - kHeader - chain.free; }
  static std::uint8_t* start(const Chain& chain) { return chain.next - used(chain); }
  static std::uint64_t chunk_bytes(const std::uint8_t* chunk) {
    std::uint64_t bytes = 0;
    std::memcpy(&bytes, chunk - kHeader, kHeader);
    return bytes;
  }

  template <class Visit>
  void walk(const std::uint8_t* at, std::uint64_t bytes, Visit&& visit) const {
    for (const std::uint8_t* end = at + bytes; at != end;
         at += PackedEntry::bytes(PackedEntry::group(at), list_bytes_)) {
      visit(at);
    }
  }

  void commit(const Pending& entry) {
    Chain& chain = chains_[of(entry.key.lead)];
    if (chain.free < PackedEntry::kBytesMax) grow(chain);
    const std::size_t bytes = PackedEntry::write(chain.next, entry.key, entry.status, list_bytes_);
    chain.next += bytes;
    chain.free -= bytes;
  }
  void grow(Chain& chain);
  std::uint8_t* allocate();
  void spill();

  const std::size_t list_bytes_;
  std::uint64_t slabs_left_;
  SlabSource source_;
  Storage& scratch_;
  std::vector<Chain> chains_;
  std::vector<SlabSource::Slab> slabs_;
  std::vector<std::uint8_t*> idle_;  // chunks that hold nothing
  std::uint64_t scratch_bytes_ = 0;
  Bytes spilled_;
  std::array<Pending, kPending> pending_{};
  std::uint64_t pending_count_ = 0;
};

}  // namespace pki
