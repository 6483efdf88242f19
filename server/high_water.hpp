// high_water.hpp: the newest lists that were ever in force, so that a damaged index is no way back
// to older ones.
#pragma once

#include <filesystem>
#include <map>

#include "libpki/index_writer.hpp"

namespace server {

// Kept in newest.json beside the index. Lists that know less than this are refused even where the
// index that knew it can't be read. Who wants to start afresh removes the file.
class HighWater {
 public:
  // What a scope knew: by its complete list or by the delta to it, whichever has the higher number.
  struct Mark {
    pki::CrlNumber number;
    pki::Time this_update;
  };

  // Nothing, if there is no such file or it can't be read, which goes to the log.
  explicit HighWater(const std::filesystem::path& directory);

  // Null if nothing is known of a scope.
  [[nodiscard]] const Mark* find(const pki::ScopeId& scope) const;

  // Raises the marks to these lists; durable when it returns, if anything changed.
  void raise(const std::vector<pki::IndexedList>& lists);

 private:
  [[nodiscard]] bool raise(const pki::IndexedList& list);

  std::filesystem::path path_;
  std::map<pki::ScopeId, Mark> marks_;
};

}  // namespace server
