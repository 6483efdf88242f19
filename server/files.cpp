#include "server/files.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <system_error>
#include <utility>

namespace server {

FileDescriptor::~FileDescriptor() {
  if (fd_ >= 0) ::close(fd_);
}

void throw_errno(std::string_view doing, const std::filesystem::path& path) {
  const int error = errno;
  throw std::system_error(error, std::generic_category(),
                          "cannot " + std::string(doing) + " " + path.string());
}

FileStamp stamp_of(const std::filesystem::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) throw_errno("find", path);
  const auto nanoseconds = [](const timespec& time) {
    return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
  };
  return {status.st_ino, status.st_size, nanoseconds(status.st_mtim), nanoseconds(status.st_ctim)};
}

MappedFile::Stamp MappedFile::stamp_of(int fd, const std::filesystem::path& path) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) throw_errno("stat", path);
  if (!S_ISREG(status.st_mode)) {
    errno = S_ISDIR(status.st_mode) ? EISDIR : EINVAL;
    throw_errno("map", path);
  }
  return {status.st_size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec};
}

MappedFile::MappedFile(const std::filesystem::path& path)
    : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
  if (!fd_) throw_errno("open", path);
  stamp_ = stamp_of(fd_.get(), path);
  if (stamp_.bytes == 0) return;
  const auto size = static_cast<std::size_t>(stamp_.bytes);
  void* const at = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd_.get(), 0);
  if (at == MAP_FAILED) throw_errno("map", path);
  bytes_ = {static_cast<const std::uint8_t*>(at), size};
}

bool MappedFile::is_unchanged() const {
  return stamp_of(fd_.get(), {}) == stamp_;
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<std::uint8_t*>(bytes_.data()), bytes_.size());
}

void read_whole(const std::filesystem::path& path, std::vector<std::uint8_t>& out) {
  const FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) throw_errno("open", path);
  struct stat before {};
  if (::fstat(fd.get(), &before) != 0) throw_errno("stat", path);
  out.resize(static_cast<std::size_t>(before.st_size));
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t taken = ::read(fd.get(), out.data() + done, out.size() - done);
    if (taken < 0 && errno == EINTR) continue;
    if (taken < 0) throw_errno("read", path);
    if (taken == 0) break;
    done += static_cast<std::size_t>(taken);
  }
  struct stat after {};
  if (::fstat(fd.get(), &after) != 0) throw_errno("stat", path);
  const bool same = after.st_size == before.st_size &&
                    after.st_mtim.tv_sec == before.st_mtim.tv_sec &&
                    after.st_mtim.tv_nsec == before.st_mtim.tv_nsec;
  if (done != out.size() || !same) {
    errno = EAGAIN;
    throw_errno("read, because it is being written,", path);
  }
}

void MappedFile::expect_sequential() const {
  if (bytes_.empty()) return;
  ::madvise(const_cast<std::uint8_t*>(bytes_.data()), bytes_.size(), MADV_SEQUENTIAL);
}

void MappedFile::expect_random() const {
  if (bytes_.empty()) return;
  ::madvise(const_cast<std::uint8_t*>(bytes_.data()), bytes_.size(), MADV_RANDOM);
}

std::string read_file(const std::filesystem::path& path, std::size_t bytes_max) {
  const FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) throw_errno("open", path);
  std::string content;
  std::size_t size = 0;
  for (;;) {
    content.resize(size + 4096);
    const ssize_t got = ::read(fd.get(), content.data() + size, content.size() - size);
    if (got < 0) throw_errno("read", path);
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
    if (size > bytes_max) {
      errno = EFBIG;
      throw_errno("read", path);
    }
  }
  content.resize(size);
  return content;
}

void sync_directory(const std::filesystem::path& directory) {
  const FileDescriptor fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) throw_errno("open", directory);
  if (::fsync(fd.get()) != 0) throw_errno("sync", directory);
}

NewFile::NewFile(const std::filesystem::path& directory)
    : directory_(directory), temporary_(directory / "new-XXXXXX.tmp") {
  std::string name = temporary_.string();
  fd_ = FileDescriptor(::mkostemps(name.data(), 4, O_CLOEXEC));
  if (!fd_) throw_errno("create a file in", directory);
  temporary_ = name;
}

NewFile::~NewFile() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void NewFile::resize(std::uint64_t bytes) {
  mapped_ = MappedFile();
  if (::ftruncate(fd_.get(), 0) != 0) throw_errno("truncate", temporary_);
  if (bytes == 0) return;
  const int error = ::posix_fallocate(fd_.get(), 0, static_cast<off_t>(bytes));
  if (error != 0) {
    errno = error;
    throw_errno("reserve " + std::to_string(bytes) + " bytes for", temporary_);
  }
}

void NewFile::write_at(std::uint64_t offset, pki::Bytes data) {
  while (!data.empty()) {
    const ssize_t written =
        ::pwrite(fd_.get(), data.data(), data.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw_errno("write to", temporary_);
    offset += static_cast<std::uint64_t>(written);
    data = data.subspan(static_cast<std::size_t>(written));
  }
}

pki::Bytes NewFile::read_back() {
  mapped_ = MappedFile(temporary_);
  return mapped_.bytes();
}

void NewFile::sync() {
  if (::fsync(fd_.get()) != 0) throw_errno("sync", temporary_);
}

void NewFile::publish(const std::filesystem::path& path, unsigned mode) {
  if (::fchmod(fd_.get(), mode) != 0) throw_errno("change the mode of", temporary_);
  if (::rename(temporary_.c_str(), path.c_str()) != 0) throw_errno("rename to", path);
  temporary_.clear();
  sync_directory(directory_);
}

void replace_file(const std::filesystem::path& path, std::string_view content) {
  NewFile file(path.parent_path());
  file.write_at(0, pki::as_bytes(content));
  file.sync();
  file.publish(path);
}

FileLock::FileLock(const std::filesystem::path& path)
    : fd_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)) {
  if (!fd_) throw_errno("open", path);
  while (::flock(fd_.get(), LOCK_EX) != 0) {
    if (errno != EINTR) throw_errno("lock", path);
  }
}

}  // namespace server
