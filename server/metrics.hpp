// metrics.hpp: what is counted while serving, and its text for Prometheus.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "server/response_cache.hpp"

namespace prometheus {
struct MetricFamily;
}

namespace server {

// Counters of one worker. Only its thread writes; any thread may read. No two workers share a line
// of the cache, and no increment needs a locked instruction.
class alignas(64) WorkerStats {
 public:
  // Upper bounds of the latency buckets, in seconds.
  static constexpr std::array<double, 14> kBuckets = {10e-6,  20e-6, 50e-6,  100e-6, 200e-6,
                                                      500e-6, 1e-3,  2e-3,   5e-3,   10e-3,
                                                      20e-3,  50e-3, 100e-3, 1.0};

  void count(Outcome outcome, std::chrono::nanoseconds duration);
  void count_cache_hit() { add(cache_hits, 1); }
  void count_refused(unsigned status);

  std::array<std::atomic<std::uint64_t>, kOutcomeCount> outcomes{};
  std::array<std::atomic<std::uint64_t>, kBuckets.size() + 1> buckets{};
  std::atomic<std::uint64_t> nanoseconds{};
  std::atomic<std::uint64_t> cache_hits{};
  // HTTP requests that never became a question, by status.
  static constexpr std::array<unsigned, 8> kStatuses = {400, 404, 405, 408, 413, 415, 431, 500};
  std::array<std::atomic<std::uint64_t>, kStatuses.size()> refused{};

 private:
  static void add(std::atomic<std::uint64_t>& counter, std::uint64_t by) {
    counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
  }
};

// Everything that an operations team can see of the status half; made anew at each scrape.
class MetricsText {
 public:
  using Labels = std::vector<std::pair<std::string, std::string>>;
  MetricsText();
  ~MetricsText();

  void gauge(const std::string& name, const std::string& help, const Labels& labels, double value);
  void counter(const std::string& name, const std::string& help, const Labels& labels,
               double value);
  struct Histogram {
    std::span<const double> bounds;         // upper, rising
    std::span<const std::uint64_t> counts;  // of each bucket alone; one more than bounds
    double sum = 0;
  };
  void histogram(const std::string& name, const std::string& help, const Labels& labels,
                 const Histogram& values);
  void worker_stats(const std::vector<std::unique_ptr<WorkerStats>>& workers);

  // The text exposition format.
  [[nodiscard]] std::string text() const;

 private:
  prometheus::MetricFamily& family(const std::string& name, const std::string& help, int type);
  std::vector<std::unique_ptr<prometheus::MetricFamily>> families_;
};

}  // namespace server
