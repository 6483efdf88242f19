// api_stats.hpp: what the API counts: requests by route and status, how long they took, and whom it
// turned away. Any thread.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "server/api/router.hpp"
#include "server/metrics.hpp"
#include "server/platform/problem.hpp"

namespace server {

class ApiStats {
 public:
  explicit ApiStats(const Router& router);

  // `route` is its place in the router; nothing if there was none.
  void count(std::optional<std::size_t> route, unsigned status, std::chrono::nanoseconds duration);
  void count_problem(ProblemKind kind);

  void describe(MetricsText& text) const;

 private:
  // Upper bounds in seconds; a long poll takes up to 50.
  static constexpr std::array<double, 13> kBuckets = {0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1,
                                                      0.2,   0.5,   1,     2,    10,   60};
  static constexpr std::array<unsigned, 22> kStatuses = {
      200, 201, 202, 204, 304, 400, 401, 403, 404, 405, 408,
      409, 410, 412, 413, 415, 422, 429, 431, 500, 503, 0};  // the last: any other
  using Counter = std::atomic<std::uint64_t>;
  struct PerRoute {
    std::string method;
    std::string pattern;
    std::array<Counter, kStatuses.size()> statuses{};
    std::array<Counter, kBuckets.size() + 1> buckets{};
    Counter nanoseconds{};
  };

  std::vector<std::unique_ptr<PerRoute>> routes_;  // as in the router; the last: none of them
  std::vector<Counter> problems_;                  // by kind
};

}  // namespace server
