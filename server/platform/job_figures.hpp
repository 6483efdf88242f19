// job_figures.hpp: how a job that is done again and again gets on, for metrics and one line of log.
// Knows nothing of what the job does.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "libpki/asn1_time.hpp"
#include "server/log.hpp"
#include "server/metrics.hpp"

namespace server {

class JobFigures {
 public:
  // `job` names it in metrics and in the log.
  explicit JobFigures(std::string job) : job_(std::move(job)) {}

  // After each time; both by the job's own thread. The log has a trouble once, until it is another
  // one or over.
  void succeeded(pki::Time now);
  void failed(const std::string& trouble);

  // tashika_job_*. Any thread.
  void describe(MetricsText& text) const;

 private:
  const std::string job_;
  std::string trouble_;  // said last
  std::atomic<std::uint64_t> failures_{0};
  std::atomic<std::int64_t> last_success_{0};
};

}  // namespace server
