#include "server/list_sources.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "server/log.hpp"
#include "server/refused.hpp"

namespace server {

namespace fs = std::filesystem;

namespace {

// The address of `reference` in a text that was fetched from `base`: absolute, from the server's
// root, or beside it (the cases of RFC 3986 5.2 that name files).
std::string resolve_url(const std::string& base, const std::string& reference) {
  if (is_url(reference)) return reference;
  const std::size_t authority = base.find("://") + 3;
  const std::size_t root = std::min(base.find('/', authority), base.size());
  if (reference.starts_with('/')) return base.substr(0, root) + reference;
  const std::size_t query = std::min(base.find_first_of("?#", root), base.size());
  const std::size_t directory = base.rfind('/', query);
  if (directory == std::string::npos || directory < root) return base + '/' + reference;
  return base.substr(0, directory + 1) + reference;
}

// One list a line; '#' begins a comment.
std::vector<std::string> read_manifest(const std::string& source, const FetcherSource& fetcher) {
  std::string text = is_url(source) ? fetcher().fetch_text(source) : read_file(source);
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.starts_with(kByteOrderMark)) text.erase(0, kByteOrderMark.size());
  std::vector<std::string> out;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::string line = text.substr(at, end - at);
    at = end + 1;
    line.resize(std::min(line.find('#'), line.size()));
    const std::size_t first = line.find_first_not_of(" \t\r");
    if (first == std::string::npos) continue;
    line = line.substr(first, line.find_last_not_of(" \t\r") + 1 - first);
    if (is_url(source)) {
      out.push_back(resolve_url(source, line));
    } else {
      out.push_back(is_url(line) ? line : (fs::path(source).parent_path() / line).string());
    }
  }
  if (out.empty()) {
    throw Refused("no_lists", fmt::format("{}: the manifest names no list", source));
  }
  return out;
}

std::vector<std::string> read_directory(const std::string& directory) {
  std::vector<std::string> out;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory)) {
    const fs::path& path = entry.path();
    const bool is_unfinished = path.extension() == ".tmp" || path.extension() == ".part";
    if (path.filename().string().starts_with('.')) continue;
    if (is_unfinished) {
      log(Level::warning, "unfinished_list", {{"file", path.string()}});
      continue;
    }
    // What can't be a list is not passed over: it may be one whose disk is gone.
    if (!entry.is_regular_file()) {
      throw Refused("no_list", fmt::format("{}: not a file; in a directory of lists, everything "
                                           "must be one",
                                           path.string()));
    }
    out.push_back(path.string());
  }
  if (out.empty()) throw Refused("no_lists", fmt::format("{}: no list in here", directory));
  std::ranges::sort(out);
  return out;
}

// Paths and addresses, each once.
std::vector<std::string> name_all(const std::vector<std::string>& sources,
                                  const std::string& manifest, const FetcherSource& fetcher) {
  std::vector<std::string> out;
  const auto append = [&out](std::vector<std::string> more) {
    out.insert(out.end(), std::make_move_iterator(more.begin()),
               std::make_move_iterator(more.end()));
  };
  for (const std::string& source : sources) {
    if (!is_url(source) && fs::is_directory(source)) {
      append(read_directory(source));
    } else {
      out.push_back(source);
    }
  }
  if (!manifest.empty()) append(read_manifest(manifest, fetcher));
  std::set<std::string> seen;
  std::erase_if(out, [&seen](const std::string& source) { return !seen.insert(source).second; });
  return out;
}

}  // namespace

bool is_url(const std::string& source) {
  return source.find("://") != std::string::npos;
}

ListFiles find_lists(const IssuerConfig& issuer, const FetcherSource& fetcher,
                     const ListFetcher::Progress& progress) {
  const auto complete = name_all(issuer.crl, issuer.crl_manifest, fetcher);
  const auto deltas = name_all(issuer.delta_crl, issuer.delta_crl_manifest, fetcher);

  // One fetch for all, so that connections are shared and as few as possible wait.
  std::vector<std::string> urls;
  for (const auto* names : {&complete, &deltas})
    std::ranges::copy_if(*names, std::back_inserter(urls), is_url);
  std::vector<FetchedList> fetched;
  if (!urls.empty()) fetched = fetcher().fetch(urls, progress);

  std::size_t next = 0;
  const auto locate = [&](const std::vector<std::string>& names) {
    std::vector<ListFile> out;
    for (const std::string& source : names) {
      const fs::path path = is_url(source) ? fetched[next++].path : fs::path(source);
      out.push_back({source, path, stamp_of(path)});
    }
    return out;
  };
  ListFiles out;
  out.complete = locate(complete);
  out.deltas = locate(deltas);
  return out;
}

ListFile find_file(const std::string& source, const FetcherSource& fetcher,
                   const ListFetcher::Progress& progress) {
  const fs::path path =
      is_url(source) ? fetcher().fetch({source}, progress).front().path : fs::path(source);
  return {source, path, stamp_of(path)};
}

}  // namespace server
