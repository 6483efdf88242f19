#include "server/platform_config.hpp"

#include "server/config_section.hpp"

namespace server {
namespace {

// "https://host:port", perhaps with a path, without a slash at the end.
std::string read_https_url(Section& section, std::string_view key) {
  std::string url = section.text(key);
  if (url.empty()) return url;
  while (url.ends_with('/')) url.pop_back();
  if (!url.starts_with("https://") || url.size() == std::string_view("https://").size()) {
    section.fault(*section.get(key),
                  fmt::format("`{}` must be an address like \"https://127.0.0.1:7443\"", key));
  }
  return url;
}

ApiConfig read_api(Section section) {
  ApiConfig out;
  out.listen = section.listen("listen");
  out.tls = read_tls(section);
  out.base_url = read_https_url(section, "base_url");
  if (out.base_url.empty()) {
    out.base_url = fmt::format("https://{}:{}", out.listen.address, out.listen.port);
  }
  out.environment = section.text("environment", out.environment);
  section.integer("threads", out.threads, 0, 1024);
  section.integer("connections_max", out.connections_max, 1, 1'000'000);
  section.integer("certificate_connections_max", out.certificate_connections_max, 0, 1'000'000);
  section.integer("request_bytes_max", out.request_bytes_max, 1024, 64 << 20);
  section.integer("batch_bytes_max", out.batch_bytes_max, 1024, 64 << 20);
  section.duration("request_timeout", out.request_timeout);
  section.duration("idle_timeout", out.idle_timeout);
  section.duration("drain_timeout", out.drain_timeout);
  section.integer("requests_per_second", out.requests_per_second, 1, 1'000'000);
  section.finish();
  return out;
}

DatabaseConfig read_database(Section section) {
  DatabaseConfig out;
  out.url = section.required_text("url");
  out.key_encryption_key = section.path("key_encryption_key", "var/key-encryption-key.hex");
  section.integer("connections", out.connections, 2, 1000);
  section.integer("queue_max", out.queue_max, 1, 1'000'000);
  section.duration("statement_timeout", out.statement_timeout);
  section.duration("connect_timeout", out.connect_timeout);
  section.finish();
  return out;
}

AuthorityConfig read_authority(Section section) {
  AuthorityConfig out;
  if (section.get("url") == nullptr) section.missing("url");
  out.url = read_https_url(section, "url");
  out.certificate = section.required_path("certificate");
  out.key = section.required_path("key");
  out.ca = section.required_path("ca");
  section.integer("connections", out.connections, 1, 1000);
  section.integer("queue_max", out.queue_max, 1, 1'000'000);
  section.integer("checks_per_second", out.checks_per_second, 1, 1'000'000);
  section.duration("timeout", out.timeout);
  section.integer("response_bytes_max", out.response_bytes_max, 1024, 64 << 20);
  section.integer("breaker_failures", out.breaker_failures, 1, 1000);
  section.duration("breaker_pause", out.breaker_pause);
  section.duration("withdrawal_poll", out.withdrawal_poll);
  section.finish();
  return out;
}

ConsentConfig read_consent(Section section) {
  ConsentConfig out;
  section.choice("term_from", out.term,
                 {{"received", TermRule::from_received}, {"reflected", TermRule::from_reflected}});
  section.choice("usable_from", out.usable,
                 {{"at_once", UsableFrom::at_once}, {"day_after", UsableFrom::day_after}});
  out.match = section.flag("match");
  section.duration("evidence_window", out.evidence_window);
  section.duration("first_check", out.first_check);
  section.duration("last_check", out.last_check);
  section.duration("give_up", out.give_up);
  section.duration("confirmation_timeout", out.confirmation_timeout);
  section.duration("cursor_life", out.cursor_life, out.cursor_life);  // which is promised
  section.duration("expiry_notice", out.expiry_notice);
  section.finish();
  return out;
}

}  // namespace

TlsConfig read_tls(Section& section) {
  return {section.required_path("certificate"), section.required_path("key"),
          section.required_path("client_ca")};
}

void read_platform(Section& root, Config& out) {
  const toml::table* api = root.table("api");
  const toml::table* database = root.table("database");
  const toml::table* authority = root.table("authority");
  if (api != nullptr) out.api = read_api(root.child(*api, "[api]"));
  if (database != nullptr) out.database = read_database(root.child(*database, "[database]"));
  if (authority != nullptr) out.authority = read_authority(root.child(*authority, "[authority]"));
  if (const toml::table* consent = root.table("consent")) {
    out.consent = read_consent(root.child(*consent, "[consent]"));
  }
  if (api != nullptr && database == nullptr) root.fault(*api, "[api] needs a [database]");
  if (api != nullptr && authority == nullptr) root.fault(*api, "[api] needs an [authority]");
}

}  // namespace server
