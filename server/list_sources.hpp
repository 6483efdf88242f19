// list_sources.hpp: where an issuer's lists are: files, directories, addresses, manifests.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "server/config.hpp"
#include "server/files.hpp"

namespace server {

// One list, on this machine by now.
struct ListFile {
  std::string source;          // the path or address that people know it by
  std::filesystem::path path;  // where its bytes are
  FileStamp stamp;
};

struct ListFiles {
  std::vector<ListFile> complete;
  std::vector<ListFile> deltas;
};

// All lists that the configuration names. Directories are read (every file in them is a list, but
// for hidden ones and unfinished downloads: *.tmp, *.part); addresses are fetched through
// `fetcher`, which is made on the first need. The same file twice counts once.
//
// Throws Refused for an empty directory or manifest, FetchError, std::system_error.
using FetcherSource = std::function<ListFetcher&()>;
[[nodiscard]] ListFiles find_lists(const IssuerConfig& issuer, const FetcherSource& fetcher,
                                   const ListFetcher::Progress& progress);

// One file or address, such as the list of issued serials.
[[nodiscard]] ListFile find_file(const std::string& source, const FetcherSource& fetcher,
                                 const ListFetcher::Progress& progress);

// Is it an address rather than a path?
[[nodiscard]] bool is_url(const std::string& source);

}  // namespace server
