#include "bench/file_storage.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace bench {
namespace {

[[noreturn]] void throw_errno(const char* doing) {
  throw std::system_error(errno, std::generic_category(), doing);
}

}  // namespace

FileStorage::FileStorage(const std::filesystem::path& directory) {
  std::string name = directory / "bench-XXXXXX";
  fd_ = ::mkostemp(name.data(), O_CLOEXEC);
  if (fd_ < 0) throw_errno("cannot create a file");
  ::unlink(name.c_str());
}

FileStorage::~FileStorage() {
  unmap();
  ::close(fd_);
}

void FileStorage::resize(std::uint64_t bytes) {
  unmap();
  if (::ftruncate(fd_, 0) != 0) throw_errno("cannot truncate");
  if (::ftruncate(fd_, static_cast<off_t>(bytes)) != 0) throw_errno("cannot resize");
  size_ = bytes;
}

void FileStorage::write_at(std::uint64_t offset, pki::Bytes data) {
  while (!data.empty()) {
    const ssize_t written = ::pwrite(fd_, data.data(), data.size(), static_cast<off_t>(offset));
    if (written < 0) throw_errno("cannot write");
    offset += static_cast<std::uint64_t>(written);
    data = data.subspan(static_cast<std::size_t>(written));
  }
}

pki::Bytes FileStorage::read_back() {
  unmap();
  struct ::stat status {};
  if (::fstat(fd_, &status) != 0) throw_errno("cannot stat");
  size_ = static_cast<std::uint64_t>(status.st_size);
  if (size_ == 0) return {};
  mapped_ = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, fd_, 0);
  if (mapped_ == MAP_FAILED) {
    mapped_ = nullptr;
    throw_errno("cannot map");
  }
  return {static_cast<const std::uint8_t*>(mapped_), size_};
}

void FileStorage::expect_random() {
  if (mapped_ != nullptr) ::madvise(mapped_, size_, MADV_RANDOM);
}

void FileStorage::unmap() {
  if (mapped_ != nullptr) ::munmap(mapped_, size_);
  mapped_ = nullptr;
}

}  // namespace bench
