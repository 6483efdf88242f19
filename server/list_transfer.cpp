#include "server/list_transfer.hpp"

#include <fmt/format.h>
#include <strings.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <new>
#include <string_view>
#include <system_error>
#include <utility>

#include "server/version.hpp"

namespace server {
namespace {

using Milliseconds = std::chrono::milliseconds;

constexpr std::uint32_t kRedirectsMax = 3;
constexpr std::size_t kIgnoredBytesMax = 64 << 10;  // of the body of an answer that brings no list
constexpr long kStallBytesPerSecond = 1024;
constexpr long kReceiveBufferBytes = 256 << 10;
constexpr Milliseconds kBackoffMax{60'000};
constexpr curl_off_t kRetryAfterSecondsMax = 24 * 60 * 60;

Fault fault_of(CURLcode code, const std::string& why, bool connected) {
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT: return {"fetch_timeout", why, Again::yes};
    case CURLE_SSL_CONNECT_ERROR: return {"fetch_tls", why, Again::yes};
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ISSUER_ERROR: return {"fetch_tls", why, Again::no};
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT: return {connected ? "fetch_protocol" : "fetch_url", why, Again::no};
    case CURLE_WEIRD_SERVER_REPLY: return {"fetch_protocol", why, Again::no};
    default: return {"fetch_connect", why, Again::yes};
  }
}

struct ContentRange {
  std::uint64_t first = 0;
  std::uint64_t total = 0;
};

// RFC 9110 14.4: "bytes 100-199/200"; nothing if it is of another form, or not up to the end.
std::optional<ContentRange> parse_content_range(std::string_view text) {
  if (!text.starts_with("bytes ")) return std::nullopt;
  text.remove_prefix(6);
  std::uint64_t last = 0;
  ContentRange range;
  const auto number_before = [&](char end, std::uint64_t& value) {
    const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    text.remove_prefix(static_cast<std::size_t>(at - text.data()));
    if (error != std::errc{} || (end != 0 && !text.starts_with(end))) return false;
    if (end != 0) text.remove_prefix(1);
    return true;
  };
  const bool right = number_before('-', range.first) && number_before('/', last) &&
                     number_before(0, range.total) && text.empty() && range.first <= last &&
                     last < range.total && last + 1 == range.total;
  return right ? std::optional(range) : std::nullopt;
}

}  // namespace

void Transfer::begin_attempt() {
  if (attempts_++ == 0) started_ = Clock::now();
  at_ = url_;
  redirects_ = 0;
}

void Transfer::request(CURLM* multi) {
  easy_ = {curl_easy_init(), EasyDeleter{multi}};
  if (!easy_) throw std::bad_alloc();
  headers_.reset();
  error_text_[0] = 0;
  asked_from_.reset();
  failure_ = nullptr;
  head_taken_ = false;
  status_ = 0;
  ignored_bytes_ = 0;

  set(CURLOPT_PRIVATE, this);
  set(CURLOPT_URL, at_.c_str());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(CURLOPT_USERAGENT, fmt::format("tashika/{}", kVersion).c_str());
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_ERRORBUFFER, error_text_);
  set(CURLOPT_BUFFERSIZE, kReceiveBufferBytes);
  set(CURLOPT_WRITEFUNCTION, &Transfer::on_bytes);
  set(CURLOPT_WRITEDATA, this);

  const auto left = std::chrono::ceil<Milliseconds>(started_ + config_.timeout - Clock::now());
  set(CURLOPT_TIMEOUT_MS, static_cast<long>(std::max(left, Milliseconds(1)).count()));
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(config_.connect_timeout.count()));
  set(CURLOPT_LOW_SPEED_LIMIT, kStallBytesPerSecond);
  set(CURLOPT_LOW_SPEED_TIME, static_cast<long>(config_.stall_timeout.count()));

  set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  set(CURLOPT_SSL_VERIFYPEER, 1L);
  set(CURLOPT_SSL_VERIFYHOST, 2L);
  if (!config_.ca.empty()) {
    set(CURLOPT_CAINFO, config_.ca.c_str());
    set(CURLOPT_CAPATH, static_cast<const char*>(nullptr));  // these anchors, and no others
  }
  if (!config_.certificate.empty()) set(CURLOPT_SSLCERT, config_.certificate.c_str());
  if (!config_.key.empty()) set(CURLOPT_SSLKEY, config_.key.c_str());

  const auto add = [&](const std::string& line) {
    curl_slist* const all = curl_slist_append(headers_.get(), line.c_str());
    if (all == nullptr) throw std::bad_alloc();
    static_cast<void>(headers_.release());
    headers_.reset(all);
  };
  add("Accept-Encoding: identity");
  if (const std::optional<Validators>& known = list_.validators()) {
    if (!known->etag.empty()) {
      add(fmt::format("If-None-Match: {}", known->etag));
    } else if (!known->last_modified.empty()) {
      add(fmt::format("If-Modified-Since: {}", known->last_modified));
    }
  }
  if (!list_.part_etag().empty() && list_.part_bytes() > 0) {
    // The last byte again: of a part that is whole already, there is then something to ask for.
    asked_from_ = list_.part_bytes() - 1;
    add(fmt::format("Range: bytes={}-", *asked_from_));
    add(fmt::format("If-Range: {}", list_.part_etag()));
  }
  set(CURLOPT_HTTPHEADER, headers_.get());
  if (curl_multi_add_handle(multi, easy_.get()) != CURLM_OK) throw std::bad_alloc();
}

std::string Transfer::header(const char* name) const {
  curl_header* found = nullptr;
  if (curl_easy_header(easy_.get(), name, 0, CURLH_HEADER, -1, &found) != CURLHE_OK) return {};
  return found->value;
}

// RFC 9110 8.8.2.2: only if the list was not changed in the very second in which it was sent; it
// might change again in that second.
std::string Transfer::usable_last_modified() const {
  std::string text = header("Last-Modified");
  const time_t modified = curl_getdate(text.c_str(), nullptr);
  const time_t sent = curl_getdate(header("Date").c_str(), nullptr);
  return modified >= 0 && modified < sent ? text : std::string();
}

std::size_t Transfer::on_bytes(char* data, std::size_t size, std::size_t count, void* transfer) {
  Transfer& self = *static_cast<Transfer*>(transfer);
  try {
    return self.take({data, size * count}) ? size * count : CURL_WRITEFUNC_ERROR;
  } catch (...) {
    self.failure_ = std::current_exception();
    return CURL_WRITEFUNC_ERROR;
  }
}

bool Transfer::take(std::span<const char> bytes) {
  heard_ = Clock::now();
  take_head();
  if (!brings_list()) {
    ignored_bytes_ += bytes.size();
    return ignored_bytes_ <= kIgnoredBytesMax;
  }
  check_size(list_.part_bytes() + bytes.size());
  list_.write(bytes);
  bytes_done_ = list_.part_bytes();
  return true;
}

// Once a request, when the header fields are complete.
void Transfer::take_head() {
  if (std::exchange(head_taken_, true)) return;
  status_ = info<long>(CURLINFO_RESPONSE_CODE);
  if (!brings_list()) return;
  const std::string type = header("Content-Type");
  if (::strncasecmp(type.c_str(), "text/html", 9) == 0) {
    throw Fault("fetch_content", "the server sent a web page (text/html), not a list", Again::no);
  }
  const std::string encoding = header("Content-Encoding");
  if (!encoding.empty() && ::strcasecmp(encoding.c_str(), "identity") != 0) {
    throw Fault("fetch_content",
                fmt::format("the server sent it encoded ({}), though not asked to", encoding),
                Again::no);
  }
  if (status_ == 206) return resume();
  const auto length = info<curl_off_t>(CURLINFO_CONTENT_LENGTH_DOWNLOAD_T);
  bytes_done_ = 0;
  bytes_total_.reset();
  if (length >= 0) announce(static_cast<std::uint64_t>(length));
  validators_ = {header("ETag"), usable_last_modified()};
  list_.start_part(validators_);
}

void Transfer::resume() {
  if (!asked_from_) {
    throw Fault("fetch_protocol", "the server sent a part of the list, unasked", Again::no);
  }
  const auto range = parse_content_range(header("Content-Range"));
  const std::string etag = header("ETag");
  if (!range || range->first != *asked_from_ || (!etag.empty() && etag != list_.part_etag())) {
    list_.drop_part();
    throw Fault("fetch_protocol", "the server sent another part of the list than it was asked for",
                Again::yes);
  }
  announce(range->total);
  validators_ = {list_.part_etag(), usable_last_modified()};
  list_.resume_part(*asked_from_);
}

// As soon as it is known: a list that can't be stored need not be carried here.
void Transfer::announce(std::uint64_t bytes) {
  check_size(bytes);
  bytes_total_ = bytes;
  const std::uint64_t missing = bytes - std::min(bytes, list_.part_bytes());
  if (std::filesystem::space(directory_).available >= missing) return;
  errno = ENOSPC;
  throw_errno(fmt::format("store a list of {} bytes in", bytes), directory_);
}

void Transfer::check_size(std::uint64_t bytes) {
  if (bytes <= config_.bytes_max) return;
  list_.drop_part();
  throw Fault("fetch_too_large",
              fmt::format("the list is larger than the {} bytes allowed", config_.bytes_max),
              Again::no);
}

Transfer::Outcome Transfer::judge(CURLcode result) {
  status_ = info<long>(CURLINFO_RESPONSE_CODE);
  retry_after_ = std::chrono::seconds(
      std::clamp<curl_off_t>(info<curl_off_t>(CURLINFO_RETRY_AFTER), 0, kRetryAfterSecondsMax));
  if (status_ != 0) heard_ = Clock::now();
  if (failure_) std::rethrow_exception(failure_);
  if (status_ == 304 && list_.validators()) {
    list_.drop_part();
    return Outcome::unchanged;
  }
  switch (status_) {
    case 301:
    case 302:
    case 303:
    case 307:
    case 308: return redirect();
    default: break;
  }
  const bool answered = status_ != 0 && !brings_list();
  if (answered) refuse_status();
  if (result != CURLE_OK) {
    std::string why = error_text_[0] != 0 ? error_text_ : curl_easy_strerror(result);
    const long error = info<long>(CURLINFO_OS_ERRNO);
    if (result == CURLE_COULDNT_CONNECT && error != 0) {
      why = fmt::format("{} ({})", why, std::generic_category().message(static_cast<int>(error)));
    }
    throw fault_of(result, why, info<double>(CURLINFO_CONNECT_TIME) > 0);
  }
  take_head();  // which came without a body
  if (list_.part_bytes() == 0) {
    throw Fault("fetch_content", "the server sent an empty file", Again::no);
  }
  if (bytes_total_ && list_.part_bytes() != *bytes_total_) {
    throw Fault("fetch_connect",
                fmt::format("the server sent {} of {} bytes", list_.part_bytes(), *bytes_total_),
                Again::yes);
  }
  return Outcome::arrived;
}

Transfer::Outcome Transfer::redirect() {
  const char* const to = info<const char*>(CURLINFO_REDIRECT_URL);
  if (to == nullptr) {
    throw Fault("fetch_redirect", fmt::format("HTTP status {} without an address", status_),
                Again::no);
  }
  if (++redirects_ > kRedirectsMax) {
    throw Fault("fetch_redirect", fmt::format("more than {} redirects", kRedirectsMax), Again::no);
  }
  const bool protected_now = ::strcasecmp(info<const char*>(CURLINFO_SCHEME), "https") == 0;
  if (protected_now && !std::string_view(to).starts_with("https://")) {
    throw Fault("fetch_redirect",
                fmt::format("the server sends us from https to {}", shown_url(to)), Again::no);
  }
  at_ = to;
  return Outcome::redirected;
}

void Transfer::refuse_status() {
  const std::string status = fmt::format("HTTP status {}", status_);
  if (status_ == 416 && asked_from_) {
    list_.drop_part();
    throw Fault("fetch_status", fmt::format("{}: the server has no such part of the list", status),
                Again::yes);
  }
  switch (status_) {
    case 401:
    case 403:
      throw Fault("fetch_status",
                  fmt::format("{}: the server refuses us; does it know our address, or our "
                              "`certificate` in [fetch]?",
                              status),
                  Again::no);
    case 404:
    case 410:
      throw Fault("fetch_status",
                  fmt::format("{}: there is no such list; is the address right?", status),
                  Again::no);
    case 408:
    case 429: throw Fault("fetch_status", status, Again::yes);
    default: throw Fault("fetch_status", status, status_ >= 500 ? Again::yes : Again::no);
  }
}

std::optional<Milliseconds> Transfer::pause(std::mt19937_64& random) const {
  Milliseconds longest = std::min(config_.backoff, kBackoffMax);
  for (std::uint32_t i = 1; i < attempts_ && longest < kBackoffMax; ++i) longest *= 2;
  longest = std::min(longest, kBackoffMax);
  std::uniform_int_distribution<Milliseconds::rep> jitter(0, longest.count());
  const Milliseconds wait = retry_after_ + Milliseconds(jitter(random));
  // libcurl's time limit may end an attempt some microseconds early by our clock.
  constexpr Milliseconds kShortestAttempt{10};
  if (Clock::now() + wait + kShortestAttempt >= started_ + config_.timeout) return std::nullopt;
  return wait;
}

}  // namespace server
