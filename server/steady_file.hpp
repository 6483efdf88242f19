// steady_file.hpp: a large file whose bytes stay what they are while they are read twice, by who
// checks a signature and by who believes it, whatever others write to the file meanwhile.
#pragma once

#include <condition_variable>
#include <exception>
#include <filesystem>
#include <mutex>
#include <thread>

#include "libpki/crypto.hpp"
#include "server/files.hpp"

namespace server {

// Addresses for a whole file, and behind them a few windows of memory of our own into which the
// file is copied piece by piece. The first window and the last two stay; the others share
// kWindows places in turn, so that loading one overwrites the one kWindows before it.
class SteadyFile {
 public:
  static constexpr std::size_t kWindow = std::size_t{4} << 20;
  static constexpr std::size_t kWindows = 12;

  // Loads the windows that stay. Throws std::system_error.
  explicit SteadyFile(const std::filesystem::path& path);
  SteadyFile(const SteadyFile&) = delete;
  SteadyFile& operator=(const SteadyFile&) = delete;
  ~SteadyFile();

  // Only what was loaded, and not overwritten since, may be looked at.
  [[nodiscard]] pki::Bytes bytes() const { return {data_, size_}; }
  [[nodiscard]] std::size_t window_count() const { return (size_ + kWindow - 1) / kWindow; }

  // Throws std::system_error, also if the file has become shorter.
  void load(std::size_t window);

 private:
  [[nodiscard]] bool stays(std::size_t window) const {
    return window == 0 || window + 2 >= window_count();
  }
  void read(std::size_t window);

  std::filesystem::path path_;
  FileDescriptor file_;
  FileDescriptor ring_;
  std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
};

// Loads the windows of a steady file and hashes a part of it, on a thread of its own, while
// somebody else reads the same windows a little later.
class SteadyHash {
 public:
  // Hashes [begin, end) of the file, which must outlive it.
  SteadyHash(SteadyFile& file, pki::DigestAlgorithm algorithm, std::size_t begin, std::size_t end);
  ~SteadyHash();

  // The reader is at `position`, is through with all before it, and will read no further than a
  // window beyond it before it calls again. Waits until that is loaded. Throws what loading threw.
  void read_to(std::size_t position);

  // Once the reader is through. Throws what loading threw.
  [[nodiscard]] pki::Digest finish();

 private:
  void run();
  void load_and_hash(std::size_t window);

  SteadyFile& file_;
  pki::DigestStream digest_;
  const std::size_t begin_;
  const std::size_t end_;

  std::mutex mutex_;
  std::condition_variable changed_;
  // Protected by mutex_:
  std::size_t loaded_ = 0;  // windows
  std::size_t read_ = 0;    // windows that the reader is through with
  bool ending_ = false;
  std::exception_ptr failure_;

  std::thread thread_;
};

}  // namespace server
