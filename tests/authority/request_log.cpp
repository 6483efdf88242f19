#include "authority/request_log.hpp"

#include <utility>

#include "authority/civil_time.hpp"

namespace authority {
namespace {

constexpr const char* kRelevant[] = {"user-agent", "if-none-match", "if-modified-since", "range",
                                     "if-range",   "accept",        "accept-encoding"};

}  // namespace

void RequestLog::add(Instant now, const char* scheme, const Request& request,
                     const Response& response) {
  nlohmann::json headers = nlohmann::json::object();
  for (const char* const name : kRelevant) {
    if (request.fields.contains(name)) headers[name] = request.field(name);
  }
  entries_.push_back({{"sequence", ++newest_},
                      {"time", rfc3339(now)},
                      {"scheme", scheme},
                      {"method", request.method},
                      {"path", request.target},
                      {"headers", std::move(headers)},
                      {"status", response.status},
                      {"bytes", request.method == "HEAD" ? 0 : response.size}});
  if (entries_.size() > kEntriesMax) entries_.pop_front();
}

nlohmann::json RequestLog::after(std::uint64_t sequence) const {
  nlohmann::json requests = nlohmann::json::array();
  for (const nlohmann::json& entry : entries_) {
    if (entry.at("sequence").get<std::uint64_t>() > sequence) requests.push_back(entry);
  }
  return {{"requests", std::move(requests)}, {"next", newest_}};
}

}  // namespace authority
