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

void add_authority_metrics(const AuthorityLink& link, const std::string& purpose,
                           CircuitBreaker::Clock::time_point now, MetricsText& text) {
  const AuthorityStats& stats = link.stats;
  const auto labels = [&purpose](MetricsText::Labels more) {
    more.emplace_back("link", purpose);
    return more;
  };
  for (std::size_t i = 0; i < kAuthorityRequestKinds; ++i) {
    const std::string kind(to_string(static_cast<AuthorityRequestKind>(i)));
    for (std::size_t j = 0; j < kAuthorityOutcomes; ++j) {
      const std::string outcome(to_string(static_cast<AuthorityOutcome>(j)));
      text.counter("tashika_authority_requests_total", "Questions to the authority, by their end.",
                   labels({{"kind", kind}, {"outcome", outcome}}),
                   value(stats.requests.at(i).at(j)));
    }
    text.counter("tashika_authority_request_seconds_total",
                 "Time that questions to the authority took, all attempts together.",
                 labels({{"kind", kind}}), value(stats.nanoseconds.at(i)) * 1e-9);
  }
  for (std::size_t i = 0; i < kAuthorityTroubles; ++i) {
    const std::string reason(to_string(static_cast<AuthorityTrouble>(i)));
    text.counter("tashika_authority_failures_total", "Attempts that got no answer, by reason.",
                 labels({{"reason", reason}}), value(stats.troubles.at(i)));
  }
  text.counter("tashika_authority_retries_total", "Attempts after the first one.", labels({}),
               value(stats.retries));
  text.counter("tashika_authority_connections_opened_total", "Connections to the authority.",
               labels({}), value(stats.connections_opened));
  text.counter("tashika_authority_yen_total", "What the authority's answers cost.", labels({}),
               value(stats.yen));
  text.gauge("tashika_authority_connections", "Open connections, and those being opened.",
             labels({{"state", "in_use"}}), value(stats.connections_in_use));
  text.gauge("tashika_authority_connections", "", labels({{"state", "idle"}}),
             value(stats.connections_idle));
  text.gauge("tashika_authority_waiting", "Questions that wait for a connection.", labels({}),
             value(stats.waiting));
  const CircuitBreaker::State state = link.breaker.state(now);
  text.gauge("tashika_authority_breaker_open",
             "1: the authority is left alone, 0.5: it is tried, 0: all is well.", labels({}),
             state == CircuitBreaker::State::closed ? 0.0
             : state == CircuitBreaker::State::open ? 1.0
                                                    : 0.5);
  text.gauge("tashika_authority_certificate_not_after_seconds",
             "When our certificate towards the authority ends, in seconds since 1970.", labels({}),
             static_cast<double>(link.certificate_end().time_since_epoch().count()));
}

}  // namespace server
