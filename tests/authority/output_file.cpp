#include "authority/output_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "authority/failure.hpp"

namespace authority {

OutputFile::OutputFile(std::filesystem::path path, Access access)
    : path_(std::move(path)),
      temporary_(path_.string() + "." + std::to_string(::getpid()) + ".tmp"),
      descriptor_(::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
                         access == Access::owner ? 0600 : 0644)) {
  if (descriptor_ < 0) fail("cannot be created");
}

OutputFile::~OutputFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(temporary_.c_str());
}

void OutputFile::write(std::span<const std::uint8_t> octets) {
  while (!octets.empty()) {
    const ssize_t written = ::write(descriptor_, octets.data(), octets.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("cannot be written");
    octets = octets.subspan(static_cast<std::size_t>(written));
  }
}

void OutputFile::publish() {
  if (::close(std::exchange(descriptor_, -1)) != 0 ||
      ::rename(temporary_.c_str(), path_.c_str()) != 0) {
    const int cause = errno;
    ::unlink(temporary_.c_str());
    errno = cause;
    fail("cannot be given its final name");
  }
}

void OutputFile::fail(const std::string& what) const {
  const std::string cause = std::strerror(errno);
  throw Failure(path_.string() + " " + what + ": " + cause +
                "; check that the directory exists, is writable and has space");
}

void write_text(const std::filesystem::path& path, std::string_view text, Access access) {
  OutputFile file(path, access);
  file.write({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
  file.publish();
}

}  // namespace authority
