// authority_metrics.hpp: what is counted of the authority, as metrics.
#pragma once

#include "server/metrics.hpp"
#include "server/upstream/authority_link.hpp"

namespace server {

// tashika_authority_*, with what the link is for as a label. Any thread. No label holds more than
// what this program names itself.
void add_authority_metrics(const AuthorityLink& link, const std::string& purpose,
                           CircuitBreaker::Clock::time_point now, MetricsText& text);

}  // namespace server
