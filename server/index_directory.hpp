// index_directory.hpp: the generations of one issuer's index on disk.
//
//   <[index] directory>/<issuer>/000000000042.tix   a generation; the highest number is in force
//                               /issued.tix         serials that were issued (issued_list.hpp)
//                               /history.log        what left the lists (history.hpp)
//                               /newest.json        the newest lists so far (high_water.hpp)
//                               /sources.json       which file is which list (source_state.hpp)
//                               /fetched/           lists from elsewhere (list_fetcher.hpp)
//                               /ingest.json        how the last ingests went (ingest_record.hpp)
//                               /lock               held by the ingest that is at work
//
// A generation appears by rename, whole or not at all, and is never changed afterwards.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libpki/generation.hpp"
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

// How much of a file is read when it is opened.
enum class Verify : std::uint8_t {
  everything,  // all checksums and the order: for what will be served
  head,        // for a file that was verified before, by this process or another
};

// Maps one index file. `written_at` and `path` tell which it was.
[[nodiscard]] pki::Result<std::shared_ptr<const OpenIndex>> open_index(
    const std::filesystem::path& path, Verify verify);

// A generation with the files that it is a view of: <generation>.tix, and, if that is an overlay,
// the base that it names.
struct OpenGeneration {
  std::shared_ptr<const OpenIndex> base;
  std::shared_ptr<const OpenIndex> overlay;  // or null
  pki::Generation view;

  [[nodiscard]] const OpenIndex& head() const { return overlay ? *overlay : *base; }
};

// Opens the file at `path` and, where it is an overlay, its base beside it. A base that `reuse` has
// open is not read again. Errors: those of pki::Index; index_base_missing if the base is not there
// (yet: it is given its name after the overlay, so that neither is ever seen alone).
[[nodiscard]] pki::Result<std::shared_ptr<const OpenGeneration>> open_generation(
    const std::filesystem::path& path, Verify verify,
    const std::shared_ptr<const OpenGeneration>& reuse = nullptr);

class IndexDirectory {
 public:
  IndexDirectory(const IndexConfig& config, std::string_view issuer);

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::filesystem::path generation_path(std::uint64_t generation) const;

  // The index of issued serials, if there is one; replaced as a whole.
  [[nodiscard]] std::filesystem::path issued_path() const { return path_ / "issued.tix"; }

  // The generations that are there, ascending. A missing directory has none.
  [[nodiscard]] std::vector<std::uint64_t> generations() const;

  // The newest generation whose heads are whole; null if there is none. Damaged ones are reported
  // to the log and passed over.
  [[nodiscard]] std::shared_ptr<const OpenGeneration> newest() const;

  // Deletes generations that are neither among the newest nor young enough, unless one that is kept
  // stands on them. Only for who holds the lock, like the next.
  void tidy(const IndexConfig& config) const;

  // Deletes what killed ingests have left behind.
  void remove_leftovers() const;

 private:
  std::filesystem::path path_;
};

}  // namespace server
