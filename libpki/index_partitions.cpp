#include "libpki/index_partitions.hpp"

#include <sys/mman.h>

#include <cstdlib>
#include <new>

namespace pki {

SlabSource::~SlabSource() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

SlabSource::Slab SlabSource::take() {
  if (!thread_.joinable()) thread_ = std::thread([this] { produce(); });
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !ready_.empty(); });
  Slab slab = std::move(ready_.front());
  ready_.pop_front();
  lock.unlock();
  changed_.notify_all();
  if (!slab) throw std::bad_alloc();
  return slab;
}

void SlabSource::produce() {
  for (;;) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return ending_ || ready_.size() < kAhead; });
    if (ending_ || slabs_left_ == 0) return;
    --slabs_left_;
    lock.unlock();
    Slab slab(static_cast<std::uint8_t*>(std::aligned_alloc(std::size_t{2} << 20, kSlabBytes)),
              std::free);
    if (slab) {
      ::madvise(slab.get(), kSlabBytes, MADV_HUGEPAGE);  // a hint: many chains are hard on the TLB
      for (std::size_t page = 0; page < kSlabBytes; page += 4096) slab.get()[page] = 0;
    }
    lock.lock();
    ready_.push_back(std::move(slab));
    lock.unlock();
    changed_.notify_all();
  }
}

void IndexWriter::Partitions::grow(Chain& chain) {
  if (chain.next != nullptr) {
    std::uint8_t* const chunk = start(chain);
    const std::uint64_t bytes = used(chain);
    std::memcpy(chunk - kHeader, &bytes, kHeader);
    chain.full.push_back(chunk);
    chain.next = nullptr;
  }
  chain.next = allocate() + kHeader;
  chain.free = kChunkBytes - kHeader;
}

std::uint8_t* IndexWriter::Partitions::allocate() {
  // Every chain keeps one chunk to fill, so spilling always frees some once the limit is reached.
  if (idle_.empty() && slabs_left_ == 0) spill();
  if (idle_.empty()) {
    slabs_.push_back(source_.take());
    --slabs_left_;
    for (std::size_t end = SlabSource::kSlabBytes; end > 0; end -= kChunkBytes) {
      idle_.push_back(slabs_.back().get() + end - kChunkBytes);
    }
  }
  std::uint8_t* const chunk = idle_.back();
  idle_.pop_back();
  return chunk;
}

// Puts every full chunk down in the scratch storage. The chunks being filled stay.
void IndexWriter::Partitions::spill() {
  for (Chain& chain : chains_) {
    for (std::uint8_t* const chunk : chain.full) {
      const std::uint64_t bytes = chunk_bytes(chunk);
      scratch_.write_at(scratch_bytes_, Bytes(chunk, bytes));
      chain.spilled.push_back({scratch_bytes_, bytes});
      scratch_bytes_ += bytes;
      idle_.push_back(chunk - kHeader);
    }
    chain.full.clear();
  }
}

}  // namespace pki
