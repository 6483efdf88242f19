#include "server/tls_report.hpp"

namespace server {

void describe_tls(MetricsText& text, const std::string& listener, const TlsContext& tls) {
  const TlsContext::Figures figures = tls.figures();
  for (std::size_t i = 0; i < kHandshakeEnds.size(); ++i) {
    text.counter("tashika_tls_handshakes_total", "TLS handshakes by how they ended.",
                 {{"listener", listener}, {"end", std::string(kHandshakeEnds[i])}},
                 static_cast<double>(figures.handshakes[i]));
  }
  text.counter("tashika_tls_reloads_total", "Changed TLS files that were taken over.",
               {{"listener", listener}}, static_cast<double>(figures.reloads));
  text.counter("tashika_tls_reload_failures_total", "Changed TLS files that were refused.",
               {{"listener", listener}}, static_cast<double>(figures.reload_failures));
  text.gauge("tashika_tls_files_refused", "1 while the TLS files on disk are not those in force.",
             {{"listener", listener}}, figures.fault.empty() ? 0 : 1);
  text.gauge("tashika_tls_certificate_not_after_seconds",
             "When the listener's certificate in force ends, in seconds since 1970.",
             {{"listener", listener}},
             static_cast<double>(figures.not_after.time_since_epoch().count()));
}

}  // namespace server
