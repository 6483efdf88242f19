// list_fetcher.hpp: fetches revocation lists over http and https, only those that changed, and goes
// on where an interrupted transfer stopped. By libcurl, which nothing else sees.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace server {

struct FetchConfig {
  std::chrono::milliseconds connect_timeout{10'000};  // name, TCP and TLS together
  std::chrono::seconds stall_timeout{30};      // less than 1 KiB/s for so long ends an attempt
  std::chrono::milliseconds timeout{600'000};  // one list: all attempts and the waits between them
  std::uint64_t bytes_max = 8ULL << 30;        // of one list
  std::uint32_t attempts = 4;                  // of one list
  std::chrono::milliseconds backoff{1000};     // doubled with each attempt, up to a minute
  std::uint32_t parallel = 8;                  // transfers, and so connections, at a time
  std::filesystem::path ca;                    // PEM trust anchors for https; empty: the system's
  std::filesystem::path certificate;           // PEM, ours, where a server asks for one; or empty
  std::filesystem::path key;                   // PEM, not encrypted, of that certificate
};

struct FetchedList {
  std::string url;
  std::filesystem::path path;  // stays until the next fetch of this address, or keep_only()
  bool changed = false;        // new bytes since the last fetch; which may not have been ingested
};

// A list could not be had. The text says which, why, after how many attempts, and what may help;
// passwords and queries of addresses are left out. `reason` is a word for metrics:
//
//   fetch_connect    no connection, or it broke
//   fetch_timeout    too slow
//   fetch_tls        who is it?
//   fetch_status     HTTP said no
//   fetch_redirect   too many, or to a worse place
//   fetch_content    empty, HTML, or encoded
//   fetch_too_large  more than bytes_max
//   fetch_protocol   not HTTP as we know it
//   fetch_url        not an http or https address
class FetchError : public std::runtime_error {
 public:
  FetchError(std::string reason, const std::string& text)
      : std::runtime_error(text), reason_(std::move(reason)) {}
  [[nodiscard]] const std::string& reason() const { return reason_; }

 private:
  std::string reason_;
};

// Keeps what it fetched in a directory (fetch_state.hpp) and asks each server for its list only if
// it differs from that (RFC 9110 13), whatever Expires or Cache-Control say: an authority may
// replace a list early. Connections are kept between calls. Proxies by http_proxy, https_proxy and
// no_proxy. One thread at a time; other processes wait for each other, by a lock in the directory.
class ListFetcher {
 public:
  // Makes the directory. Throws std::system_error if it can't.
  ListFetcher(const FetchConfig& config, std::filesystem::path cache_directory);
  ~ListFetcher();
  ListFetcher(const ListFetcher&) = delete;
  ListFetcher& operator=(const ListFetcher&) = delete;

  // Of all lists of a call together. The total is 0 until the size of every list is known.
  using Progress = std::function<void(std::uint64_t bytes_done, std::uint64_t bytes_total,
                                      std::size_t lists_done, std::size_t lists_total)>;

  // Fetches all lists, several at a time, and returns them in the order of `urls`.
  //
  // Tried again, from where it stopped if the server can: what failed to connect, stalled, broke
  // off, or was answered by 408, 429 or 5xx. A server that stays silent through all attempts of one
  // list is not asked for its others.
  //
  // Throws, once every list was fetched or given up, the failure of the first in the order of
  // `urls`: FetchError, or std::system_error for disk and files. What was fetched is kept, so the
  // next call only needs the rest. What `progress` throws ends the fetch at once.
  std::vector<FetchedList> fetch(const std::vector<std::string>& urls,
                                 const Progress& progress = {});

  // A small text such as a manifest, at most 64 MiB. Otherwise like a list.
  std::string fetch_text(const std::string& url);

  // The next fetch of this address takes the whole list, changed or not. For a list that was
  // refused: the bytes may have been damaged on their way, or on our disk.
  void forget(const std::string& url);

  // Removes what was kept of all addresses but these (those of fetch_text() included).
  void keep_only(const std::vector<std::string>& urls);

 private:
  class Connections;
  std::vector<FetchedList> fetch_within(const FetchConfig& config,
                                        const std::vector<std::string>& urls,
                                        const Progress& progress);
  [[nodiscard]] std::filesystem::path lock_path() const { return directory_ / "lock"; }

  FetchConfig config_;
  std::filesystem::path directory_;
  std::unique_ptr<Connections> connections_;
};

}  // namespace server
