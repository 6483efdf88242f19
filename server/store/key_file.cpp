#include "server/store/key_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "libpki/crypto.hpp"
#include "server/files.hpp"

namespace server {
namespace {

constexpr std::size_t kFileBytesMax = 4096;  // sixty keys

KeyEncryptionKey key_of(const std::vector<std::uint8_t>& octets) {
  const pki::Digest digest = pki::digest(pki::DigestAlgorithm::sha256, octets);
  return {pki::to_hex(digest.bytes().first(8)), SecretKey(octets)};
}

// The octets of one line.
std::vector<std::uint8_t> read_line(const std::filesystem::path& file, std::string_view line) {
  auto octets = pki::from_hex(line);
  if (line.size() != 2 * SecretKey::kOctets || octets.size() != SecretKey::kOctets) {
    throw KeyEncryptionFault(fmt::format(
        "{}: a key-encryption key is 64 hexadecimal digits, one a line", file.string()));
  }
  return octets;
}

std::vector<KeyEncryptionKey> read_keys(const std::filesystem::path& file) {
  std::string text;
  try {
    text = read_file(file, kFileBytesMax);
  } catch (const std::system_error& error) {
    throw KeyEncryptionFault(fmt::format(
        "{} (`key_encryption_key` of [database]; `tashika migrate` makes it for a new database)",
        error.what()));
  }
  std::vector<KeyEncryptionKey> out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = std::string_view(text).substr(at, end - at);
    while (line.ends_with('\r') || line.ends_with(' ')) line.remove_suffix(1);
    if (!line.empty()) out.push_back(key_of(read_line(file, line)));
    at = end + 1;
  }
  if (out.empty()) (void)read_line(file, {});
  struct stat status {};
  if (::stat(file.c_str(), &status) == 0 && (status.st_mode & 077U) != 0) {
    throw KeyEncryptionFault(
        fmt::format("{}: others than its owner may read this key; chmod 600 it", file.string()));
  }
  return out;
}

std::string text_of(const KeyEncryptionKey& key) {
  return fmt::format("{}\n", pki::to_hex(key.key.bytes()));
}

// Written whole or not at all; two at once end with one file.
void write_new(const std::filesystem::path& file, const std::string& text,
               const struct stat* like = nullptr) {
  const FileDescriptor fd(::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd) throw_errno("cannot create the key-encryption key", file);
  const bool is_written =
      (like == nullptr || ::fchown(fd.get(), like->st_uid, like->st_gid) == 0) &&
      ::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
      ::fsync(fd.get()) == 0;
  if (is_written) return;
  const int error = errno;
  ::unlink(file.c_str());
  errno = error;
  throw_errno("cannot write the key-encryption key", file);
}

void replace(const std::filesystem::path& file, const std::string& text) {
  const std::filesystem::path real = std::filesystem::canonical(file);
  std::filesystem::path temporary = real;
  temporary += ".new";
  struct stat status {};
  if (::stat(real.c_str(), &status) != 0) throw_errno("stat", real);
  ::unlink(temporary.c_str());  // of a process that was killed here
  write_new(temporary, text, &status);
  std::filesystem::rename(temporary, real);
  sync_directory(real.parent_path());
}

}  // namespace

KeyFile::KeyFile(std::filesystem::path file) : file_(std::move(file)), keys_(read_keys(file_)) {}

void KeyFile::read_again() {
  auto keys = read_keys(file_);
  const std::lock_guard lock(mutex_);
  keys_ = std::move(keys);
}

KeyEncryptionKey KeyFile::newest() {
  read_again();
  const std::lock_guard lock(mutex_);
  return keys_.front();
}

SecretKey KeyFile::find(std::string_view id, std::string_view wanted_for) {
  const auto look = [&]() -> std::optional<SecretKey> {
    const std::lock_guard lock(mutex_);
    const auto found = std::ranges::find(keys_, id, &KeyEncryptionKey::id);
    return found == keys_.end() ? std::nullopt : std::optional(found->key);
  };
  if (const auto known = look()) return *known;
  read_again();
  if (const auto known = look()) return *known;
  throw KeyEncryptionFault(
      fmt::format("{} was wrapped by the key-encryption key {}, which is not in {}", wanted_for, id,
                  file_.string()));
}

std::vector<std::string> KeyFile::ids() {
  read_again();
  const std::lock_guard lock(mutex_);
  std::vector<std::string> out;
  for (const KeyEncryptionKey& one : keys_) out.push_back(one.id);
  return out;
}

void KeyFile::create(const std::filesystem::path& file) {
  std::filesystem::create_directories(file.parent_path());
  write_new(file, fmt::format("{}\n", pki::to_hex(SecretKey::random().bytes())));
  sync_directory(file.parent_path());
}

std::string KeyFile::add_newest(const std::filesystem::path& file) {
  const SecretKey random = SecretKey::random();
  const KeyEncryptionKey added =
      key_of(std::vector<std::uint8_t>(random.bytes().begin(), random.bytes().end()));
  std::string text = text_of(added);
  for (const KeyEncryptionKey& one : read_keys(file)) text += text_of(one);
  if (text.size() > kFileBytesMax) {
    throw KeyEncryptionFault(
        fmt::format("{} holds too many keys: use --forget-old", file.string()));
  }
  replace(file, text);
  return added.id;
}

void KeyFile::keep_newest(const std::filesystem::path& file) {
  const auto keys = read_keys(file);
  if (keys.size() > 1) replace(file, text_of(keys.front()));
}

}  // namespace server
