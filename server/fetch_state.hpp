// fetch_state.hpp: what is kept on disk of the lists that are fetched: for each address the list,
// how far an interrupted transfer of it came, and by which validators the server knows either.
// Knows files; nothing of HTTP transfers. Failures of the disk are std::system_error.
//
//   <name>.list   the last complete list; replaced by renaming, never written to
//   <name>.part   the first bytes of the next one
//   <name>.json   validators of both, and the stamp of the list that they belong to
//
// <name> is half a SHA-256 of the address, in hex. A process that is killed at any point leaves the
// old list or the new one. Whatever doesn't fit together is fetched again: a state file that is
// missing, damaged, or not of this very list costs a transfer and never hides a new list.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "server/files.hpp"

namespace server {

// What a server gave so that it can be asked "still this one?" (RFC 9110 8.8). Empty: not given.
struct Validators {
  std::string etag;           // as it came, with its quotes, and W/ if weak
  std::string last_modified;  // as it came

  // RFC 9110 8.8.1: it changes whenever a byte does, so pieces of a list may be put together by it.
  [[nodiscard]] bool is_strong() const { return etag.starts_with('"'); }
};

// An address as it may be logged: without a user's name and password, and without the query.
[[nodiscard]] std::string shown_url(std::string_view url);

// The files of one address. One thread at a time; see ListFetcher for other processes.
class CachedList {
 public:
  // Looks at what is there; makes nothing.
  CachedList(const std::filesystem::path& directory, std::string_view url);

  [[nodiscard]] const std::filesystem::path& path() const { return list_; }

  // Of the list in place; nothing if there is none, or not the one they were noted for.
  [[nodiscard]] const std::optional<Validators>& validators() const { return validators_; }

  // The strong entity tag that the part belongs to; empty if there is nothing to go on with.
  [[nodiscard]] const std::string& part_etag() const { return part_etag_; }
  [[nodiscard]] std::uint64_t part_bytes() const { return part_bytes_; }

  // Begins a new part. Remembers, before the first byte, whose bytes these will be.
  void start_part(const Validators& validators);

  // Goes on with the part at `offset`, at most part_bytes(); what lies behind is cut off.
  void resume_part(std::uint64_t offset);

  // Appends. After a failure the part is gone: a full disk should not stay full.
  void write(std::span<const char> bytes);

  void drop_part();

  // Makes the part the list: flushed first, then renamed over the old one, then noted.
  // True if its bytes differ from those of the old list, or there was none. Cost: the fsync, and
  // reading both lists if they are of one size.
  bool publish(const Validators& validators);

  // The list stays, but the next fetch takes the server's whole: for a list that proved damaged.
  void forget();

 private:
  void read_state();
  void write_state() const;

  std::string shown_url_;
  std::filesystem::path list_;
  std::filesystem::path part_;
  std::filesystem::path state_;
  std::optional<Validators> validators_;
  std::string stamp_;  // of the list that validators_ belong to
  std::string part_etag_;
  std::uint64_t part_bytes_ = 0;
  FileDescriptor fd_;  // of the part, while it is written
};

// Removes the files of all other addresses, and nothing that isn't named as a CachedList's.
void remove_cached_except(const std::filesystem::path& directory,
                          std::span<const std::string> urls);

}  // namespace server
