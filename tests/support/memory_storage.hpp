// memory_storage.hpp: a pki::Storage in memory, for index files that tests write and damage.
#pragma once

#include <algorithm>
#include <atomic>
#include <stdexcept>

#include "libpki/index_writer.hpp"

namespace test {

// Behaves like a file: what is added by resize() reads as zero, and a write past the end extends
// it. Writes from several threads are fine as long as none extends it.
class MemoryStorage : public pki::Storage {
 public:
  void resize(std::uint64_t bytes) override { bytes_.resize(bytes); }

  void write_at(std::uint64_t offset, pki::Bytes data) override {
    if (writes_left_ != kUnlimited && writes_left_-- == 0) throw std::runtime_error("disk full");
    if (bytes_.size() < offset + data.size()) bytes_.resize(offset + data.size());
    std::copy(data.begin(), data.end(), bytes_.begin() + static_cast<std::ptrdiff_t>(offset));
  }

  [[nodiscard]] pki::Bytes read_back() override { return bytes_; }

  [[nodiscard]] const std::vector<std::uint8_t>& bytes() const { return bytes_; }

  // From then on, the write after `writes` more of them throws.
  void fail_after(std::uint64_t writes) { writes_left_ = writes; }

 private:
  static constexpr std::uint64_t kUnlimited = UINT64_MAX;

  std::vector<std::uint8_t> bytes_;
  std::atomic<std::uint64_t> writes_left_ = kUnlimited;
};

}  // namespace test
