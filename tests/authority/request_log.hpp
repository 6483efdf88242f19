// RequestLog remembers what was asked of the ports for lists, the newest so many.
#pragma once

#include <cstdint>
#include <deque>

#include <nlohmann/json.hpp>

#include "authority/http_message.hpp"
#include "authority/instant.hpp"

namespace authority {

class RequestLog {
 public:
  static constexpr std::size_t kEntriesMax = 100'000;

  // `scheme`: which port, "http" or "https". `now` is the simulated time.
  void add(Instant now, const char* scheme, const Request& request, const Response& response);
  void clear() { entries_.clear(); }

  // {"requests": [{"sequence", "time", "scheme", "method", "path", "headers", "status", "bytes"},
  // ...], "next": N}: those with a sequence number above `after`, and what to ask for next.
  [[nodiscard]] nlohmann::json after(std::uint64_t sequence) const;

 private:
  std::uint64_t newest_ = 0;
  std::deque<nlohmann::json> entries_;
};

}  // namespace authority
