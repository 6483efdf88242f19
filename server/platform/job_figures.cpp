#include "server/platform/job_figures.hpp"

namespace server {

void JobFigures::succeeded(pki::Time now) {
  last_success_ = now.time_since_epoch().count();
  if (trouble_.empty()) return;
  trouble_.clear();
  log(Level::info, "job_works_again", {{"job", job_}});
}

void JobFigures::failed(const std::string& trouble) {
  ++failures_;
  if (trouble == trouble_) return;
  trouble_ = trouble;
  log(Level::error, "job_failed", {{"job", job_}, {"error", trouble}});
}

void JobFigures::describe(MetricsText& text) const {
  text.gauge("tashika_job_last_success_timestamp_seconds",
             "When a job that runs again and again last went well; 0: never yet.", {{"job", job_}},
             static_cast<double>(last_success_.load()));
  text.counter("tashika_job_failures_total", "Times that a job failed.", {{"job", job_}},
               static_cast<double>(failures_.load()));
}

}  // namespace server
