// key_file.hpp: the file of key-encryption keys: 64 hexadecimal digits a line, the newest first.
// The first one wraps; the others only open what was wrapped before. Knows nothing of the database.
#pragma once

#include <filesystem>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "server/store/sealing.hpp"

namespace server {

// The key-encryption key is missing, unreadable, or another one than the database was sealed with.
class KeyEncryptionFault : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct KeyEncryptionKey {
  std::string id;  // names it without telling it: the first 8 octets of its SHA-256, in hex
  SecretKey key;
};

// Any thread.
class KeyFile {
 public:
  // Reads the file. Throws KeyEncryptionFault: nobody but its owner may be able to read it.
  explicit KeyFile(std::filesystem::path file);

  // The one that wraps. The file is read again first: another process may have added one.
  [[nodiscard]] KeyEncryptionKey newest();
  // The key of that id. The file is read again if it is not known. Throws KeyEncryptionFault, which
  // says that it was `wanted_for`.
  [[nodiscard]] SecretKey find(std::string_view id, std::string_view wanted_for);
  // All ids, newest first, as the file says now.
  [[nodiscard]] std::vector<std::string> ids();

  // Makes the file with one random key, mode 0600. It must not be there.
  static void create(const std::filesystem::path& file);
  // Replaces the file by one with a new random key before those that are there, whole or not at
  // all; owner and mode stay. Returns the new key's id. One process at a time.
  static std::string add_newest(const std::filesystem::path& file);
  // Likewise, by one with the first key alone.
  static void keep_newest(const std::filesystem::path& file);

 private:
  void read_again();

  const std::filesystem::path file_;
  std::mutex mutex_;
  std::vector<KeyEncryptionKey> keys_;  // protected by mutex_; never empty
};

}  // namespace server
