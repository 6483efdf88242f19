// index_past.hpp: `tashika index lookup --at TIME`.
#pragma once

#include <string>
#include <vector>

#include "server/index_directory.hpp"

namespace server {

// Prints whether each serial was revoked or held at a time: as is known now, and as was known then.
// Throws std::runtime_error for a time outside of what is known, or a serial that is none.
int lookup_past(const IndexDirectory& directory, const std::string& at,
                const std::vector<std::string>& serials, bool json);

}  // namespace server
