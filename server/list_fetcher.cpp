#include "server/list_fetcher.hpp"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <future>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string_view>
#include <system_error>
#include <thread>

#include "server/fetch_state.hpp"
#include "server/files.hpp"
#include "server/list_transfer.hpp"
#include "server/log.hpp"

namespace server {
namespace {

namespace fs = std::filesystem;
using Clock = Transfer::Clock;

constexpr std::size_t kTextBytesMax = 64 << 20;
constexpr std::chrono::milliseconds kProgressEvery{100};

std::string_view advice(std::string_view reason) {
  if (reason == "fetch_timeout") return "; if the line is just slow, raise the limits in [fetch]";
  if (reason == "fetch_tls") return "; see `ca`, and `certificate` and `key`, in [fetch]";
  if (reason == "fetch_too_large") return "; see `bytes_max` in [fetch]";
  if (reason == "fetch_content") return "; is the address right, or a proxy in between?";
  if (reason == "fetch_connect") return "; is the server up, and can it be reached from here?";
  return "";
}

// "https://host:port" of an address: what tells one server from another.
std::string origin_of(const std::string& url) {
  const std::size_t host = url.find("://");
  return url.substr(0, host == std::string::npos ? host : url.find_first_of("/?#", host + 3));
}

// One address of a call, until it is fetched or given up.
struct Job {
  Job(const FetchConfig& config, const fs::path& directory, const std::string& address,
      Clock::time_point& heard)
      : url(address), transfer(config, directory, address, heard) {}

  std::string url;
  Transfer transfer;
  bool changed = false;
  std::exception_ptr failure;

  // The list arrived, and a thread waits for the disk.
  std::future<bool> published;
  std::jthread publisher;
};

// The lists of one call, side by side. A list that waits for its next attempt, or for the disk,
// does not keep the others from going on.
class Batch {
 public:
  Batch(const FetchConfig& config, const fs::path& directory, CURLM* multi,
        const std::vector<std::string>& urls)
      : config_(config), multi_(multi) {
    for (const std::string& url : urls) {
      auto& job = jobs_[url];
      if (job) continue;
      job = std::make_unique<Job>(config, directory, url, heard_[origin_of(url)]);
      fresh_.push_back(job.get());
    }
  }

  void run(const ListFetcher::Progress& progress) {
    while (done_ < jobs_.size()) {
      start_waiting();
      int running = 0;
      check(curl_multi_perform(multi_, &running));
      take_ended();
      take_published();
      if (progress) report(progress);
      if (done_ < jobs_.size()) wait();
    }
  }

  [[nodiscard]] const Job& job(const std::string& url) const { return *jobs_.at(url); }

 private:
  static void check(CURLMcode code) {
    if (code != CURLM_OK) throw std::runtime_error(curl_multi_strerror(code));
  }
  void start_waiting();
  Job* next_waiting();
  void take_ended();
  void take_published();
  void end_request(Job& job, CURLcode result);
  void publish(Job& job);
  void failed(Job& job, const Fault& fault);
  template <class Failure>
  void give_up(Job& job, const Failure& failure);
  void report(const ListFetcher::Progress& progress) const;
  void wait();

  const FetchConfig& config_;
  CURLM* const multi_;
  std::map<std::string, Clock::time_point> heard_;  // by origin
  std::set<std::string> silent_;                    // origins
  std::map<std::string, std::unique_ptr<Job>> jobs_;
  std::deque<Job*> fresh_;                        // not begun
  std::multimap<Clock::time_point, Job*> again_;  // by when they may be tried again
  std::vector<Job*> publishing_;
  std::size_t active_ = 0;  // transferring or publishing
  std::size_t done_ = 0;
  std::mt19937_64 random_{std::random_device{}()};
};

// What was begun first: so a server that stays silent is found out by its first lists.
Job* Batch::next_waiting() {
  if (!again_.empty() && again_.begin()->first <= Clock::now()) {
    return again_.extract(again_.begin()).mapped();
  }
  if (fresh_.empty()) return nullptr;
  Job* const job = fresh_.front();
  fresh_.pop_front();
  return job;
}

void Batch::start_waiting() {
  const std::size_t places = std::max(1U, config_.parallel);
  while (active_ < places) {
    Job* const next = next_waiting();
    if (next == nullptr) return;
    Job& job = *next;
    if (silent_.contains(origin_of(job.url))) {
      give_up(job, FetchError("fetch_connect",
                              fmt::format("cannot fetch {}: its server did not answer when asked "
                                          "for another list",
                                          shown_url(job.url))));
      continue;
    }
    ++active_;
    job.transfer.begin_attempt();
    job.transfer.request(multi_);
  }
}

void Batch::take_ended() {
  int left = 0;
  while (const CURLMsg* const message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    Transfer* transfer = nullptr;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
    end_request(*jobs_.at(transfer->url()), message->data.result);
  }
}

void Batch::end_request(Job& job, CURLcode result) try {
  const Transfer::Outcome outcome = job.transfer.judge(result);
  job.transfer.end_request();
  switch (outcome) {
    case Transfer::Outcome::redirected: job.transfer.request(multi_); break;
    case Transfer::Outcome::arrived: publish(job); break;
    case Transfer::Outcome::unchanged:
      --active_;
      ++done_;
      break;
  }
} catch (const Fault& fault) {
  job.transfer.end_request();
  --active_;
  failed(job, fault);
} catch (const std::system_error& error) {
  job.transfer.end_request();
  --active_;
  give_up(job, error);
}

// Waiting for the disk is left to a thread, so that 1,900 small lists wait together.
void Batch::publish(Job& job) {
  std::packaged_task<bool()> task([&transfer = job.transfer] { return transfer.publish(); });
  job.published = task.get_future();
  job.publisher = std::jthread([task = std::move(task), multi = multi_]() mutable {
    task();
    curl_multi_wakeup(multi);
  });
  publishing_.push_back(&job);
}

void Batch::take_published() {
  std::erase_if(publishing_, [this](Job* job) {
    if (job->published.wait_for(std::chrono::seconds(0)) != std::future_status::ready) return false;
    job->publisher.join();
    --active_;
    try {
      job->changed = job->published.get();
      ++done_;
    } catch (const std::system_error& error) {
      give_up(*job, error);
    }
    return true;
  });
}

void Batch::failed(Job& job, const Fault& fault) {
  std::string why = fault.what();
  if (fault.again == Again::yes && job.transfer.attempts() < config_.attempts) {
    if (const auto pause = job.transfer.pause(random_)) {
      log(Level::warning, "fetch_again",
          {{"url", shown_url(job.url)}, {"error", why}, {"pause_ms", pause->count()}});
      again_.emplace(Clock::now() + *pause, &job);
      return;
    }
    why += "; its time limit leaves no other attempt";
  }
  const bool unanswered = fault.reason() == "fetch_connect" || fault.reason() == "fetch_timeout";
  if (unanswered && !job.transfer.was_heard()) silent_.insert(origin_of(job.url));
  const std::uint32_t attempts = job.transfer.attempts();
  give_up(job,
          FetchError(fault.reason(),
                     fmt::format("cannot fetch {}: {} (after {} attempt{}){}", shown_url(job.url),
                                 why, attempts, attempts == 1 ? "" : "s", advice(fault.reason()))));
}

template <class Failure>
void Batch::give_up(Job& job, const Failure& failure) {
  job.failure = std::make_exception_ptr(failure);
  ++done_;
}

void Batch::report(const ListFetcher::Progress& progress) const {
  std::uint64_t bytes_done = 0;
  std::uint64_t bytes_total = 0;
  bool all_known = true;
  for (const auto& [url, job] : jobs_) {
    bytes_done += job->transfer.bytes_done();
    const std::optional<std::uint64_t> total = job->transfer.bytes_total();
    bytes_total += total.value_or(0);
    all_known = all_known && total.has_value();
  }
  progress(bytes_done, all_known ? bytes_total : 0, done_, jobs_.size());
}

void Batch::wait() {
  auto longest = kProgressEvery;
  if (!again_.empty() && active_ < config_.parallel) {
    const auto until =
        std::chrono::ceil<std::chrono::milliseconds>(again_.begin()->first - Clock::now());
    longest = std::clamp(until, std::chrono::milliseconds(0), longest);
  }
  check(curl_multi_poll(multi_, nullptr, 0, static_cast<int>(longest.count()), nullptr));
}

}  // namespace

// The pool of connections, and what else libcurl keeps from one transfer to the next.
class ListFetcher::Connections {
 public:
  explicit Connections(const FetchConfig& config) {
    static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
    if (ready != CURLE_OK) throw std::runtime_error(curl_easy_strerror(ready));
    multi_.reset(curl_multi_init());
    if (!multi_) throw std::bad_alloc();
    curl_multi_setopt(multi_.get(), CURLMOPT_MAXCONNECTS, static_cast<long>(config.parallel));
  }
  [[nodiscard]] CURLM* multi() const { return multi_.get(); }

 private:
  struct Deleter {
    void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
  };
  std::unique_ptr<CURLM, Deleter> multi_;
};

ListFetcher::ListFetcher(const FetchConfig& config, fs::path cache_directory)
    : config_(config),
      directory_(std::move(cache_directory)),
      connections_(std::make_unique<Connections>(config)) {
  fs::create_directories(directory_);
}

ListFetcher::~ListFetcher() = default;

std::vector<FetchedList> ListFetcher::fetch(const std::vector<std::string>& urls,
                                            const Progress& progress) {
  return fetch_within(config_, urls, progress);
}

std::vector<FetchedList> ListFetcher::fetch_within(const FetchConfig& config,
                                                   const std::vector<std::string>& urls,
                                                   const Progress& progress) {
  const FileLock lock(lock_path());
  Batch batch(config, directory_, connections_->multi(), urls);
  batch.run(progress);
  sync_directory(directory_);
  std::vector<FetchedList> lists;
  for (const std::string& url : urls) {
    const Job& job = batch.job(url);
    if (job.failure) std::rethrow_exception(job.failure);
    lists.push_back({url, job.transfer.path(), job.changed});
  }
  return lists;
}

std::string ListFetcher::fetch_text(const std::string& url) {
  FetchConfig config = config_;
  config.bytes_max = kTextBytesMax;
  return read_file(fetch_within(config, {url}, {}).front().path, kTextBytesMax);
}

void ListFetcher::forget(const std::string& url) {
  const FileLock lock(lock_path());
  CachedList(directory_, url).forget();
}

void ListFetcher::keep_only(const std::vector<std::string>& urls) {
  const FileLock lock(lock_path());
  remove_cached_except(directory_, urls);
}

}  // namespace server
