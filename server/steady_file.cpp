#include "server/steady_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace server {

SteadyFile::SteadyFile(const std::filesystem::path& path)
    : path_(path), file_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
  if (!file_) throw_errno("open", path);
  struct stat status {};
  if (::fstat(file_.get(), &status) != 0) throw_errno("stat", path);
  size_ = static_cast<std::size_t>(status.st_size);
  ring_ = FileDescriptor(::memfd_create("tashika-windows", MFD_CLOEXEC));
  if (!ring_ || ::ftruncate(ring_.get(), kWindows * kWindow) != 0) {
    throw_errno("make memory to read", path);
  }
  // What is not loaded reads as zeros, which are no DER: a list of another shape is refused.
  void* const at = ::mmap(nullptr, window_count() * kWindow, PROT_READ,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) throw_errno("make room to read", path);
  data_ = static_cast<std::uint8_t*>(at);
  for (std::size_t window = 0; window < window_count(); ++window) {
    if (!stays(window)) continue;
    if (::mprotect(data_ + window * kWindow, kWindow, PROT_READ | PROT_WRITE) != 0) {
      throw_errno("make memory to read", path);
    }
    read(window);
  }
}

SteadyFile::~SteadyFile() {
  if (data_ != nullptr) ::munmap(data_, window_count() * kWindow);
}

void SteadyFile::load(std::size_t window) {
  if (stays(window)) return;
  void* const at = ::mmap(data_ + window * kWindow, kWindow, PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_FIXED | MAP_POPULATE, ring_.get(),
                          static_cast<off_t>(window % kWindows * kWindow));
  if (at == MAP_FAILED) throw_errno("make memory to read", path_);
  read(window);
}

void SteadyFile::read(std::size_t window) {
  std::size_t at = window * kWindow;
  const std::size_t end = std::min(at + kWindow, size_);
  while (at < end) {
    const ssize_t taken = ::pread(file_.get(), data_ + at, end - at, static_cast<off_t>(at));
    if (taken < 0 && errno == EINTR) continue;
    if (taken == 0) errno = EIO;  // it was longer a moment ago
    if (taken <= 0) throw_errno("read all of", path_);
    at += static_cast<std::size_t>(taken);
  }
}

SteadyHash::SteadyHash(SteadyFile& file, pki::DigestAlgorithm algorithm, std::size_t begin,
                       std::size_t end)
    : file_(file), digest_(algorithm), begin_(begin), end_(end), thread_([this] { run(); }) {}

SteadyHash::~SteadyHash() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void SteadyHash::run() try {
  for (std::size_t window = 0; window < file_.window_count(); ++window) {
    {
      // The place that this window goes to must not be needed any more.
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return ending_ || window < read_ + SteadyFile::kWindows; });
      if (ending_) return;
    }
    load_and_hash(window);
    {
      const std::lock_guard lock(mutex_);
      loaded_ = window + 1;
    }
    changed_.notify_all();
  }
} catch (...) {
  {
    const std::lock_guard lock(mutex_);
    failure_ = std::current_exception();
  }
  changed_.notify_all();
}

void SteadyHash::load_and_hash(std::size_t window) {
  file_.load(window);
  const std::size_t from = std::max(begin_, window * SteadyFile::kWindow);
  const std::size_t to = std::min(end_, (window + 1) * SteadyFile::kWindow);
  if (from < to) digest_.update(file_.bytes().subspan(from, to - from));
}

void SteadyHash::read_to(std::size_t position) {
  std::unique_lock lock(mutex_);
  read_ = position / SteadyFile::kWindow;
  changed_.notify_all();
  // The reader looks a window ahead, and stands anywhere in one.
  const std::size_t needed = std::min(read_ + 3, file_.window_count());
  changed_.wait(lock, [&] { return failure_ || loaded_ >= needed; });
  if (failure_) std::rethrow_exception(failure_);
}

pki::Digest SteadyHash::finish() {
  {
    const std::lock_guard lock(mutex_);
    read_ = file_.window_count();
  }
  changed_.notify_all();
  thread_.join();
  if (failure_) std::rethrow_exception(failure_);
  return digest_.finish();
}

}  // namespace server
