#include "libpki/index_partitions.hpp"

#include <sys/mman.h>

#include <cstdlib>
#include <new>

namespace pki {

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
  if (idle_.empty() && chunk_count_ >= chunks_max_) spill();
  if (idle_.empty()) {
    constexpr std::size_t kSlabBytes = kSlabChunks * kChunkBytes;
    void* const slab = std::aligned_alloc(std::size_t{2} << 20, kSlabBytes);
    if (slab == nullptr) throw std::bad_alloc();
    slabs_.emplace_back(static_cast<std::uint8_t*>(slab), std::free);
    ::madvise(slab, kSlabBytes, MADV_HUGEPAGE);  // a hint: 1024 chains are hard on the TLB
    for (std::size_t i = kSlabChunks; i-- > 0;) {
      idle_.push_back(static_cast<std::uint8_t*>(slab) + i * kChunkBytes);
    }
    chunk_count_ += kSlabChunks;
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
