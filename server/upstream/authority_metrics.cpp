#include "server/upstream/authority_metrics.hpp"

namespace server {
namespace {

double value(const AuthorityStats::Count& count) {
  return static_cast<double>(count.load(std::memory_order_relaxed));
}

double value(const std::atomic<std::int64_t>& gauge) {
  return static_cast<double>(gauge.load(std::memory_order_relaxed));
}

}  // namespace

std::string_view to_string(AuthorityOutcome outcome) {
  switch (outcome) {
    case AuthorityOutcome::done: return "done";
    case AuthorityOutcome::no_newer_information: return "no_newer_information";
    case AuthorityOutcome::awaiting_certificate: return "awaiting_certificate";
    case AuthorityOutcome::refused: return "refused";
    case AuthorityOutcome::unavailable: return "unavailable";
    case AuthorityOutcome::cancelled: return "cancelled";
  }
  return "";
}

void add_authority_metrics(const AuthorityLink& link, CircuitBreaker::Clock::time_point now,
                           MetricsText& text) {
  const AuthorityStats& stats = link.stats;
  for (std::size_t i = 0; i < kAuthorityRequestKinds; ++i) {
    const std::string kind(to_string(static_cast<AuthorityRequestKind>(i)));
    for (std::size_t j = 0; j < kAuthorityOutcomes; ++j) {
      text.counter(
          "tashika_authority_requests_total", "Questions to the authority, by their end.",
          {{"kind", kind}, {"outcome", std::string(to_string(static_cast<AuthorityOutcome>(j)))}},
          value(stats.requests.at(i).at(j)));
    }
    text.counter("tashika_authority_request_seconds_total",
                 "Time that questions to the authority took, all attempts together.",
                 {{"kind", kind}}, value(stats.nanoseconds.at(i)) * 1e-9);
  }
  for (std::size_t i = 0; i < kAuthorityTroubles; ++i) {
    text.counter("tashika_authority_failures_total", "Attempts that got no answer, by reason.",
                 {{"reason", std::string(to_string(static_cast<AuthorityTrouble>(i)))}},
                 value(stats.troubles.at(i)));
  }
  text.counter("tashika_authority_retries_total", "Attempts after the first one.", {},
               value(stats.retries));
  text.counter("tashika_authority_connections_opened_total", "Connections to the authority.", {},
               value(stats.connections_opened));
  text.counter("tashika_authority_yen_total", "What the authority's answers cost.", {},
               value(stats.yen));
  text.gauge("tashika_authority_connections", "Open connections, and those being opened.",
             {{"state", "in_use"}}, value(stats.connections_in_use));
  text.gauge("tashika_authority_connections", "", {{"state", "idle"}},
             value(stats.connections_idle));
  text.gauge("tashika_authority_waiting", "Questions that wait for a connection.", {},
             value(stats.waiting));
  text.gauge("tashika_authority_breaker_open",
             "1: the authority is left alone, 0.5: it is tried, 0: all is well.", {},
             link.breaker.state(now) == CircuitBreaker::State::closed ? 0.0
             : link.breaker.state(now) == CircuitBreaker::State::open ? 1.0
                                                                      : 0.5);
}

}  // namespace server
