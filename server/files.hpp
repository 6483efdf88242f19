// files.hpp: files as the server uses them: mapped for reading, and written so that they last.
// Failures of the system are std::system_error, whose text names the file and what was being done.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "libpki/bytes.hpp"
#include "libpki/index_writer.hpp"

namespace server {

// A file descriptor that is closed with its owner.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~FileDescriptor();
  [[nodiscard]] int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// Throws what errno says: "cannot open /a/b: No such file or directory".
[[noreturn]] void throw_errno(std::string_view doing, const std::filesystem::path& path);

// What the kernel says of the file at a path: equal stamps, same content, unless somebody sets
// clocks back and inode numbers equal.
struct FileStamp {
  std::uint64_t inode = 0;
  std::int64_t bytes = 0;
  std::int64_t modified_ns = 0;  // since 1970
  std::int64_t changed_ns = 0;   // of the inode

  friend bool operator==(const FileStamp&, const FileStamp&) = default;
};
[[nodiscard]] FileStamp stamp_of(const std::filesystem::path& path);

// A whole file, mapped read-only. The file must not be shortened while it is mapped (SIGBUS): index
// files never are; a CRL that is, ends an ingest, see commands/ingest.cpp.
class MappedFile {
 public:
  MappedFile() = default;
  explicit MappedFile(const std::filesystem::path& path);
  MappedFile(MappedFile&& other) noexcept
      : fd_(std::move(other.fd_)), stamp_(other.stamp_), bytes_(std::exchange(other.bytes_, {})) {}
  MappedFile& operator=(MappedFile&& other) noexcept {
    std::swap(fd_, other.fd_);
    std::swap(stamp_, other.stamp_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~MappedFile();

  // False if the file was written to, or changed its size, since it was mapped. (A writer through a
  // mapping of its own shows only once the kernel has noticed.)
  [[nodiscard]] bool is_unchanged() const;

  [[nodiscard]] pki::Bytes bytes() const { return bytes_; }

  // Tells the kernel how the pages will be used next.
  void expect_sequential() const;
  void expect_random() const;

 private:
  // What the kernel says of a file's content: its size and when it last changed.
  struct Stamp {
    std::int64_t bytes = 0;
    std::int64_t seconds = 0;
    std::int64_t nanoseconds = 0;
    friend bool operator==(const Stamp&, const Stamp&) = default;
  };
  [[nodiscard]] static Stamp stamp_of(int fd, const std::filesystem::path& path);

  FileDescriptor fd_;
  Stamp stamp_;
  pki::Bytes bytes_;
};

// Reads a file from the first byte to the last into `out`, which keeps its memory. Throws if the
// file was written to meanwhile.
void read_whole(const std::filesystem::path& path, std::vector<std::uint8_t>& out);

// The content of a small file, at most `bytes_max`, more is an error.
[[nodiscard]] std::string read_file(const std::filesystem::path& path,
                                    std::size_t bytes_max = 16 << 20);

// Makes the names in a directory durable.
void sync_directory(const std::filesystem::path& directory);

// A new file under a temporary name in the directory where it will live. It disappears with this
// object, and with the process, unless publish() gave it its name.
class NewFile final : public pki::Storage {
 public:
  explicit NewFile(const std::filesystem::path& directory);
  ~NewFile() override;

  // Reserves the space at once, so that a full disk is known before the work.
  void resize(std::uint64_t bytes) override;
  void write_at(std::uint64_t offset, pki::Bytes data) override;
  [[nodiscard]] pki::Bytes read_back() override;

  // Waits until the content is on the disk.
  void sync();

  // Gives the file its name, durably; replaces a file of that name. After sync().
  void publish(const std::filesystem::path& path, unsigned mode = 0444);

 private:
  std::filesystem::path directory_;
  std::filesystem::path temporary_;
  FileDescriptor fd_;
  MappedFile mapped_;
};

// Replaces a small file by new content, durably.
void replace_file(const std::filesystem::path& path, std::string_view content);

// Holds an exclusive lock on a file, which goes with the process, for as long as it lives. Waits
// while another process holds it.
class FileLock {
 public:
  explicit FileLock(const std::filesystem::path& path);

 private:
  FileDescriptor fd_;
};

}  // namespace server
