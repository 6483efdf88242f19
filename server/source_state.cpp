#include "server/source_state.hpp"

#include <nlohmann/json.hpp>

#include "server/log.hpp"

namespace server {

SourceState::SourceState(const std::filesystem::path& directory, std::uint64_t generation)
    : path_(directory / "sources.json") {
  try {
    if (!std::filesystem::exists(path_)) return;
    constexpr std::size_t kBytesMax = 64 << 20;
    const auto json = nlohmann::json::parse(read_file(path_, kBytesMax));
    if (json.at("generation") != generation) return;
    for (const auto& one : json.at("lists")) {
      known_[one.at("source")] = {
          {one.at("inode"), one.at("bytes"), one.at("modified_ns"), one.at("changed_ns")},
          one.at("list")};
    }
  } catch (const std::exception& error) {
    known_.clear();
    log(Level::warning, "source_state_not_read", {{"error", error.what()}});
  }
}

std::optional<std::size_t> SourceState::find(const ListFile& file) const {
  const auto found = known_.find(file.source);
  if (found == known_.end() || found->second.stamp != file.stamp) return std::nullopt;
  return found->second.list;
}

void SourceState::save(std::uint64_t generation) const {
  nlohmann::ordered_json json = {{"generation", generation}};
  json["lists"] = nlohmann::ordered_json::array();
  for (const auto& [source, known] : known_) {
    json["lists"].push_back({{"source", source},
                             {"list", known.list},
                             {"inode", known.stamp.inode},
                             {"bytes", known.stamp.bytes},
                             {"modified_ns", known.stamp.modified_ns},
                             {"changed_ns", known.stamp.changed_ns}});
  }
  replace_file(path_, json.dump() + "\n");
}

}  // namespace server
