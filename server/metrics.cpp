#include "server/metrics.hpp"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>

namespace server {

void WorkerStats::count(Outcome outcome, std::chrono::nanoseconds duration) {
  add(outcomes[static_cast<std::size_t>(outcome)], 1);
  const double seconds = std::chrono::duration<double>(duration).count();
  const auto bucket = std::ranges::lower_bound(kBuckets, seconds) - kBuckets.begin();
  add(buckets[static_cast<std::size_t>(bucket)], 1);
  add(nanoseconds, static_cast<std::uint64_t>(duration.count()));
}

void WorkerStats::count_refused(unsigned status) {
  const auto found = std::ranges::find(kStatuses, status);
  if (found != kStatuses.end()) {
    add(refused[static_cast<std::size_t>(found - kStatuses.begin())], 1);
  }
}

MetricsText::MetricsText() = default;
MetricsText::~MetricsText() = default;

prometheus::MetricFamily& MetricsText::family(const std::string& name, const std::string& help,
                                              int type) {
  const auto found =
      std::ranges::find_if(families_, [&](const auto& known) { return known->name == name; });
  if (found != families_.end()) return **found;
  families_.push_back(std::make_unique<prometheus::MetricFamily>());
  families_.back()->name = name;
  families_.back()->help = help;
  families_.back()->type = static_cast<prometheus::MetricType>(type);
  return *families_.back();
}

namespace {

prometheus::ClientMetric& add_metric(prometheus::MetricFamily& family,
                                     const MetricsText::Labels& labels) {
  prometheus::ClientMetric& metric = family.metric.emplace_back();
  for (const auto& [name, value] : labels) metric.label.push_back({name, value});
  return metric;
}

template <class Counter>
std::uint64_t sum(const std::vector<std::unique_ptr<WorkerStats>>& workers, Counter&& counter) {
  std::uint64_t total = 0;
  for (const auto& worker : workers) total += counter(*worker).load(std::memory_order_relaxed);
  return total;
}

}  // namespace

void MetricsText::gauge(const std::string& name, const std::string& help, const Labels& labels,
                        double value) {
  auto& known = family(name, help, static_cast<int>(prometheus::MetricType::Gauge));
  add_metric(known, labels).gauge.value = value;
}

void MetricsText::counter(const std::string& name, const std::string& help, const Labels& labels,
                          double value) {
  auto& known = family(name, help, static_cast<int>(prometheus::MetricType::Counter));
  add_metric(known, labels).counter.value = value;
}

void MetricsText::histogram(const std::string& name, const std::string& help, const Labels& labels,
                            const Histogram& values) {
  auto& known = family(name, help, static_cast<int>(prometheus::MetricType::Histogram));
  prometheus::ClientMetric::Histogram& out = add_metric(known, labels).histogram;
  for (std::size_t i = 0; i < values.counts.size(); ++i) {
    out.sample_count += values.counts[i];
    const bool is_last = i == values.bounds.size();
    out.bucket.push_back(
        {out.sample_count, is_last ? std::numeric_limits<double>::infinity() : values.bounds[i]});
  }
  out.sample_sum = values.sum;
}

void MetricsText::worker_stats(const std::vector<std::unique_ptr<WorkerStats>>& workers) {
  for (std::size_t i = 0; i < kOutcomeCount; ++i) {
    counter("tashika_ocsp_requests_total", "OCSP requests by how they were answered.",
            {{"outcome", std::string(to_string(static_cast<Outcome>(i)))}},
            static_cast<double>(sum(
                workers, [i](auto& w) -> auto& { return w.outcomes[i]; })));
  }
  counter("tashika_ocsp_cache_hits_total", "OCSP requests answered with a kept response.", {},
          static_cast<double>(sum(
              workers, [](auto& w) -> auto& { return w.cache_hits; })));
  for (std::size_t i = 0; i < WorkerStats::kStatuses.size(); ++i) {
    counter("tashika_http_refused_total", "HTTP requests that were refused, by status.",
            {{"status", std::to_string(WorkerStats::kStatuses[i])}},
            static_cast<double>(sum(
                workers, [i](auto& w) -> auto& { return w.refused[i]; })));
  }

  std::vector<std::uint64_t> counts;
  for (std::size_t i = 0; i <= WorkerStats::kBuckets.size(); ++i) {
    counts.push_back(sum(
        workers, [i](auto& w) -> auto& { return w.buckets[i]; }));
  }
  const double nanoseconds = static_cast<double>(sum(
      workers, [](auto& w) -> auto& { return w.nanoseconds; }));
  histogram("tashika_ocsp_request_duration_seconds",
            "From a complete request to its answer being ready to send.", {},
            {WorkerStats::kBuckets, counts, nanoseconds * 1e-9});
}

std::string MetricsText::text() const {
  std::vector<prometheus::MetricFamily> all;
  for (const auto& known : families_) all.push_back(*known);
  return prometheus::TextSerializer().Serialize(all);
}

}  // namespace server
