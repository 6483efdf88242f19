// tls_report.hpp: what operators see of a listener's TLS.
#pragma once

#include <string>

#include "server/metrics.hpp"
#include "server/tls.hpp"

namespace server {

// Labelled with the listener's name: "ocsp", "api".
void describe_tls(MetricsText& text, const std::string& listener, const TlsContext& tls);

}  // namespace server
