// index_directory.hpp: the generations of one issuer's index on disk.
//
//   <[index] directory>/<issuer>/000000000042.tix   a generation; the highest number is in force
//                               /ingest.json        how the last ingests went, for the metrics
//                               /lock               held by the ingest that is at work
//
// A generation appears by rename, whole or not at all, and is never changed afterwards.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libpki/index_reader.hpp"
#include "server/config.hpp"
#include "server/files.hpp"

namespace server {

// An index file together with the mapping that it is a view of.
struct OpenIndex {
  std::filesystem::path path;
  std::filesystem::file_time_type written_at;  // tells another file of that name
  MappedFile file;
  pki::Index index;
};

class IndexDirectory {
 public:
  IndexDirectory(const IndexConfig& config, std::string_view issuer);

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::filesystem::path generation_path(std::uint64_t generation) const;

  // The generations that are there, ascending. A missing directory has none.
  [[nodiscard]] std::vector<std::uint64_t> generations() const;

  // The newest generation that can be described, header and tables only. Damaged ones are reported
  // to the log and passed over.
  [[nodiscard]] std::optional<pki::Index> describe_newest() const;

  // Deletes generations that are neither among the newest nor young enough, and what killed ingests
  // have left behind. Only for who holds the lock.
  void tidy(const IndexConfig& config) const;

 private:
  std::filesystem::path path_;
};

// Maps and verifies one index file, all of it.
[[nodiscard]] pki::Result<std::shared_ptr<const OpenIndex>> open_index(
    const std::filesystem::path& path);

}  // namespace server
