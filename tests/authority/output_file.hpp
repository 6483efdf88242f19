// OutputFile writes a file under a temporary name beside its place and renames it when all of it is
// there, so that a reader never sees half a file. No fsync: this is test material, made again in
// seconds.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace authority {

enum class Access { everyone, owner };  // mode 0644 or 0600

class OutputFile {
 public:
  // Throws Failure if the file cannot be made.
  OutputFile(std::filesystem::path path, Access access);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  // Writes all of it or throws Failure (a full disk, for example).
  void write(std::span<const std::uint8_t> octets);

  // Gives the file its final name. Without this call the destructor removes it.
  void publish();

 private:
  [[noreturn]] void fail(const std::string& what) const;

  std::filesystem::path path_;
  std::filesystem::path temporary_;
  int descriptor_;
};

void write_text(const std::filesystem::path& path, std::string_view text, Access access);

}  // namespace authority
