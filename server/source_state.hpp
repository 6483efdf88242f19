// source_state.hpp: which file each list of the generation in force came from, so that what did not
// change need not be read again.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "server/list_sources.hpp"

namespace server {

// Kept in sources.json beside the index. Only a saving: without it, everything is read again.
class SourceState {
 public:
  // Nothing is known if the file is missing, unreadable, or of another generation.
  SourceState(const std::filesystem::path& directory, std::uint64_t generation);

  // Which list of that generation this very file is.
  [[nodiscard]] std::optional<std::size_t> find(const ListFile& file) const;

  // In the place of a list's number: the list of issued serials.
  static constexpr std::size_t kIssued = 0xFFFFFFFF;

  // Begins anew, but for the issued serials; then what add() names is written by save().
  void clear_lists() {
    std::erase_if(known_, [](const auto& one) { return one.second.list != kIssued; });
  }
  void add(const ListFile& file, std::size_t list) { known_[file.source] = {file.stamp, list}; }
  void save(std::uint64_t generation) const;

 private:
  struct Known {
    FileStamp stamp;
    std::size_t list = 0;
  };
  std::filesystem::path path_;
  std::map<std::string, Known> known_;  // by source
};

}  // namespace server
