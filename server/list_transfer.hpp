// list_transfer.hpp: one list's way from its server to the directory, by libcurl. ListFetcher
// drives many of them.
#pragma once

#include <curl/curl.h>

#include <chrono>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <stdexcept>
#include <string>

#include "server/fetch_state.hpp"
#include "server/list_fetcher.hpp"

namespace server {

enum class Again : bool { no, yes };

// Why one attempt failed. `what()` continues "cannot fetch <url>: ".
struct Fault : FetchError {
  Fault(std::string reason, const std::string& why, Again try_again)
      : FetchError(std::move(reason), why), again(try_again) {}
  Again again;
};

struct EasyDeleter {
  CURLM* multi = nullptr;
  void operator()(CURL* easy) const {
    curl_multi_remove_handle(multi, easy);
    curl_easy_cleanup(easy);
  }
};
struct HeadersDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

// Attempts, each of one request and, if it is sent elsewhere, up to three more. Conditional, and
// going on with a part, as the directory allows.
class Transfer {
 public:
  using Clock = std::chrono::steady_clock;
  enum class Outcome : std::uint8_t { redirected, unchanged, arrived };

  // `heard` is when the list's server last gave a sign of life.
  Transfer(const FetchConfig& config, const std::filesystem::path& directory,
           const std::string& url, Clock::time_point& heard)
      : config_(config), directory_(directory), url_(url), heard_(heard), list_(directory, url) {}

  void begin_attempt();
  void request(CURLM* multi);  // sends one, to where the attempt has got
  // How a request ended. Throws Fault and std::system_error.
  [[nodiscard]] Outcome judge(CURLcode result);
  void end_request() { easy_.reset(); }

  // The pause before the next attempt; nothing if that were past the time limit.
  [[nodiscard]] std::optional<std::chrono::milliseconds> pause(std::mt19937_64& random) const;

  [[nodiscard]] const std::string& url() const { return url_; }
  [[nodiscard]] std::uint32_t attempts() const { return attempts_; }
  [[nodiscard]] bool was_heard() const { return heard_ >= started_; }
  [[nodiscard]] std::uint64_t bytes_done() const { return bytes_done_; }
  [[nodiscard]] std::optional<std::uint64_t> bytes_total() const { return bytes_total_; }

  [[nodiscard]] const std::filesystem::path& path() const { return list_.path(); }
  // Once it arrived: puts it in place, and says if it is another than before. Takes as long as the
  // disk does; any thread, while nothing else is asked of this transfer.
  [[nodiscard]] bool publish() { return list_.publish(validators_); }

 private:
  static std::size_t on_bytes(char* data, std::size_t size, std::size_t count, void* transfer);
  bool take(std::span<const char> bytes);
  void take_head();
  void resume();
  void announce(std::uint64_t bytes);
  void check_size(std::uint64_t bytes);
  [[nodiscard]] Outcome redirect();
  [[noreturn]] void refuse_status();
  [[nodiscard]] bool brings_list() const { return status_ == 200 || status_ == 206; }
  [[nodiscard]] std::string header(const char* name) const;
  [[nodiscard]] std::string usable_last_modified() const;

  template <class Value>
  void set(CURLoption option, Value value) {
    const CURLcode code = curl_easy_setopt(easy_.get(), option, value);
    if (code != CURLE_OK) throw std::runtime_error(curl_easy_strerror(code));
  }
  template <class Value>
  [[nodiscard]] Value info(CURLINFO what) const {
    Value value{};
    curl_easy_getinfo(easy_.get(), what, &value);
    return value;
  }

  const FetchConfig& config_;
  const std::filesystem::path& directory_;
  const std::string url_;
  Clock::time_point& heard_;
  CachedList list_;
  Clock::time_point started_;
  std::uint32_t attempts_ = 0;
  std::chrono::seconds retry_after_{0};

  // Of the attempt.
  std::string at_;
  std::uint32_t redirects_ = 0;

  // Of the request.
  std::unique_ptr<CURL, EasyDeleter> easy_;
  std::unique_ptr<curl_slist, HeadersDeleter> headers_;
  char error_text_[CURL_ERROR_SIZE] = {};
  std::optional<std::uint64_t> asked_from_;  // by Range
  std::exception_ptr failure_;               // thrown while libcurl was on the stack
  bool head_taken_ = false;
  long status_ = 0;
  std::size_t ignored_bytes_ = 0;
  Validators validators_;
  std::uint64_t bytes_done_ = 0;
  std::optional<std::uint64_t> bytes_total_;
};

}  // namespace server
