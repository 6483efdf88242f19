#include "server/api/api_stats.hpp"

#include <algorithm>

namespace server {

ApiStats::ApiStats(const Router& router) : problems_(problem_types().size()) {
  for (const Route& route : router.routes()) {
    routes_.push_back(std::make_unique<PerRoute>());
    routes_.back()->method = method_name(route.method);
    routes_.back()->pattern = route.pattern;
  }
  routes_.push_back(std::make_unique<PerRoute>());
  routes_.back()->pattern = "none";
}

void ApiStats::count(std::optional<std::size_t> route, unsigned status,
                     std::chrono::nanoseconds duration) {
  PerRoute& one = *routes_[route.value_or(routes_.size() - 1)];
  const auto place = std::min<std::ptrdiff_t>(
      std::ranges::find(kStatuses, status) - kStatuses.begin(), kStatuses.size() - 1);
  one.statuses[static_cast<std::size_t>(place)].fetch_add(1, std::memory_order_relaxed);
  const double seconds = std::chrono::duration<double>(duration).count();
  const auto bucket = std::ranges::lower_bound(kBuckets, seconds) - kBuckets.begin();
  one.buckets[static_cast<std::size_t>(bucket)].fetch_add(1, std::memory_order_relaxed);
  one.nanoseconds.fetch_add(static_cast<std::uint64_t>(duration.count()),
                            std::memory_order_relaxed);
}

void ApiStats::count_problem(ProblemKind kind) {
  problems_[static_cast<std::size_t>(kind)].fetch_add(1, std::memory_order_relaxed);
}

void ApiStats::describe(MetricsText& text) const {
  for (const auto& one : routes_) {
    const MetricsText::Labels labels = {{"method", one->method}, {"route", one->pattern}};
    for (std::size_t i = 0; i < kStatuses.size(); ++i) {
      const auto count = one->statuses[i].load(std::memory_order_relaxed);
      if (count == 0 && kStatuses[i] != 200) continue;  // most combinations never happen
      MetricsText::Labels with_status = labels;
      with_status.emplace_back("status",
                               kStatuses[i] == 0 ? "other" : std::to_string(kStatuses[i]));
      text.counter("tashika_api_requests_total", "Requests to the API by route and status.",
                   with_status, static_cast<double>(count));
    }
    std::vector<std::uint64_t> counts;
    for (const Counter& counter : one->buckets) {
      counts.push_back(counter.load(std::memory_order_relaxed));
    }
    text.histogram("tashika_api_request_duration_seconds",
                   "From a complete request to its answer, long polls included.", labels,
                   {kBuckets, counts,
                    static_cast<double>(one->nanoseconds.load(std::memory_order_relaxed)) * 1e-9});
  }
  for (const ProblemType& type : problem_types()) {
    const auto count =
        problems_[static_cast<std::size_t>(type.kind)].load(std::memory_order_relaxed);
    text.counter("tashika_api_problems_total", "Answers of the API that were problems, by code.",
                 {{"code", std::string(type.slug)}}, static_cast<double>(count));
  }
}

}  // namespace server
