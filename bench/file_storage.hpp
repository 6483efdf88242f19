// file_storage.hpp: a pki::Storage in a file without a name, which goes with the process however it
// ends.
#pragma once

#include <filesystem>

#include "libpki/index_writer.hpp"

namespace bench {

class FileStorage final : public pki::Storage {
 public:
  explicit FileStorage(const std::filesystem::path& directory);
  ~FileStorage() override;
  FileStorage(const FileStorage&) = delete;
  FileStorage& operator=(const FileStorage&) = delete;

  void resize(std::uint64_t bytes) override;
  void write_at(std::uint64_t offset, pki::Bytes data) override;
  [[nodiscard]] pki::Bytes read_back() override;

  // Tells the kernel what `tashika serve` tells it of an index: that no page predicts the next.
  void expect_random();

 private:
  void unmap();

  int fd_ = -1;
  std::uint64_t size_ = 0;
  void* mapped_ = nullptr;
};

}  // namespace bench
