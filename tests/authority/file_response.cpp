#include "authority/file_response.hpp"

#include <openssl/sha.h>

#include <array>
#include <charconv>
#include <ctime>
#include <optional>

namespace authority {
namespace {

struct Range {
  std::size_t first = 0;
  std::size_t size = 0;
};

std::string entity_tag(const Octets& content) {
  constexpr std::size_t kTagOctets = 12;
  constexpr char kDigits[] = "0123456789abcdef";
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(content.data(), content.size(), digest.data());
  std::string tag = "\"";
  for (std::size_t i = 0; i < kTagOctets; ++i) {
    tag += kDigits[digest[i] >> 4U];
    tag += kDigits[digest[i] & 15U];
  }
  return tag += '"';
}

std::optional<Instant> parse_http_date(const std::string& text) {
  std::tm parts{};
  const char* const end = ::strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  if (end == nullptr || *end != '\0') return std::nullopt;
  return ::timegm(&parts);
}

// If-None-Match: "*" or a list of tags, compared weakly (RFC 9110 13.1.2).
bool names_tag(std::string_view list, std::string_view tag) {
  return list == "*" || list.find(tag) != std::string_view::npos;
}

bool is_unchanged(const Request& request, const std::string& tag, Instant last_modified) {
  const std::string tags = request.field("if-none-match");
  if (!tags.empty()) return names_tag(tags, tag);
  const auto since = parse_http_date(request.field("if-modified-since"));
  return since && last_modified <= *since;
}

// Whether a range may be served: no If-Range, or one that names exactly this content.
bool range_applies(const Request& request, const std::string& tag, Instant last_modified) {
  const std::string condition = request.field("if-range");
  return condition.empty() || condition == tag || condition == http_date(last_modified);
}

std::optional<std::size_t> parse_number(std::string_view text) {
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// "bytes=7-", "bytes=7-9", "bytes=-3". Nothing if the field is to be ignored; a range of size 0 if
// it can't be satisfied.
std::optional<Range> parse_range(std::string_view text, std::size_t total) {
  constexpr std::string_view kUnit = "bytes=";
  const std::size_t dash = text.find('-');
  if (!text.starts_with(kUnit) || dash == std::string_view::npos) return std::nullopt;
  const std::string_view before = text.substr(kUnit.size(), dash - kUnit.size());
  const std::string_view after = text.substr(dash + 1);
  const auto first = parse_number(before);
  const auto last = parse_number(after);
  if (before.empty() && last) return Range{total - std::min(*last, total), std::min(*last, total)};
  if (!first || (!after.empty() && (!last || *last < *first))) return std::nullopt;
  if (*first >= total) return Range{};
  const std::size_t end = last ? std::min(*last, total - 1) + 1 : total;
  return Range{*first, end - *first};
}

std::string content_range(const Range& range, std::size_t total) {
  const std::string size = std::to_string(total);
  if (range.size == 0) return std::string("bytes */").append(size);
  return std::string("bytes ")
      .append(std::to_string(range.first))
      .append("-")
      .append(std::to_string(range.first + range.size - 1))
      .append("/")
      .append(size);
}

}  // namespace

std::string http_date(Instant instant) {
  const std::time_t seconds = instant;
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 40> text{};
  std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return text.data();
}

Response file_response(const Request& request, std::shared_ptr<const Octets> content,
                       Instant last_modified, const std::string& media_type) {
  if (request.method != "GET" && request.method != "HEAD") {
    Response refusal = text_response(405, "text/plain", "lists are read with GET or HEAD\n");
    refusal.fields.emplace_back("Allow", "GET, HEAD");
    return refusal;
  }
  const std::string tag = entity_tag(*content);
  const std::size_t total = content->size();
  Response response;
  response.fields = {
      {"ETag", tag}, {"Last-Modified", http_date(last_modified)}, {"Accept-Ranges", "bytes"}};
  if (is_unchanged(request, tag, last_modified)) {
    response.status = 304;
    return response;
  }
  response.fields.emplace_back("Content-Type", media_type);
  response.content = std::move(content);
  response.size = total;
  const auto range = parse_range(request.field("range"), total);
  if (request.method == "GET" && range && range_applies(request, tag, last_modified)) {
    response.status = range->size == 0 ? 416 : 206;
    response.offset = range->first;
    response.size = range->size;
    response.fields.emplace_back("Content-Range", content_range(*range, total));
  }
  return response;
}

}  // namespace authority
