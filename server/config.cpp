#include "server/config.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "libpki/oid.hpp"
#include "server/config_section.hpp"
#include "server/files.hpp"

namespace server {
namespace {

IndexConfig read_index(Section section) {
  IndexConfig out;
  out.directory = section.path("directory", out.directory);
  section.integer("keep_generations", out.keep_generations, 1, 10'000);
  section.duration("keep", out.keep);
  section.size("ingest_memory", out.ingest_memory_bytes);
  section.duration("clock_skew", out.clock_skew);
  section.duration("history", out.history);
  section.finish();
  return out;
}

ResponderConfig read_responder(Section section) {
  ResponderConfig out;
  out.certificate = section.required_path("certificate");
  const std::string key = section.required_text("key");
  if (key.starts_with("pkcs11:")) {
    section.fault(*section.get("key"),
                  "keys behind PKCS#11 are not served by this version; give a PEM file");
  }
  out.key = section.path("key");
  if (section.flag("trusted")) out.trusted = pki::TrustedResponder::yes;
  section.choice("id", out.id,
                 {{"key", ResponderIdForm::by_key}, {"name", ResponderIdForm::by_name}});
  section.finish();
  return out;
}

// Where the lists come from, and what must be so before they are believed.
void read_lists(Section& section, IssuerConfig& out) {
  out.crl = section.sources("crl");
  out.crl_manifest = section.source("crl_manifest");
  out.delta_crl = section.sources("delta_crl");
  out.delta_crl_manifest = section.source("delta_crl_manifest");
  if (out.crl.empty() && out.crl_manifest.empty()) section.missing("crl");
  out.issued = section.source("issued");
  section.integer("partitions", out.partitions, 0, pki::index_format::kListCountMax / 2);
  out.change_limit = section.share("change_limit");
}

// "list", as the list itself says (ExpiredCertsOnCRL), or how long entries stay after expiry.
void read_archive_cutoff(Section& section, IssuerConfig& out) {
  if (section.text("archive_cutoff") == "list") {
    out.archive_cutoff = ArchiveCutoff::of_list;
    return;
  }
  out.archive_cutoff = ArchiveCutoff::fixed;
  section.duration("archive_cutoff", out.archive_retention);
}

FetchConfig read_fetch(Section section) {
  FetchConfig out;
  section.duration("connect_timeout", out.connect_timeout);
  section.duration("stall_timeout", out.stall_timeout);
  section.duration("timeout", out.timeout);
  section.size("bytes_max", out.bytes_max);
  section.integer("attempts", out.attempts, 1, 100);
  section.duration("backoff", out.backoff);
  section.integer("parallel", out.parallel, 1, 64);
  out.ca = section.path("ca");
  out.certificate = section.path("certificate");
  out.key = section.path("key");
  section.finish();
  return out;
}

IssuerConfig read_issuer(Section section) {
  IssuerConfig out;
  out.name = section.required_text("name");
  constexpr std::string_view kAllowed =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
  if (const toml::node* node = section.get("name");
      node != nullptr && (out.name.empty() || out.name.front() == '.' || out.name.size() > 64 ||
                          out.name.find_first_not_of(kAllowed) != std::string::npos)) {
    section.fault(*node,
                  "`name` goes into paths and URLs: 1 to 64 letters, digits, '-', '_' or '.', "
                  "and no dot in front");
  }
  out.certificate = section.required_path("certificate");
  read_lists(section, out);
  section.choice("unlisted", out.unlisted,
                 {{"good", Unlisted::good}, {"unknown", Unlisted::unknown}});
  section.choice("not_issued", out.not_issued,
                 {{"unknown", NotIssued::unknown}, {"revoked", NotIssued::revoked}});
  section.choice("stale", out.stale,
                 {{"try_later", Stale::try_later}, {"unauthorized", Stale::unauthorized}});
  out.crl_id = section.flag("crl_id");
  if (section.get("archive_cutoff") != nullptr) read_archive_cutoff(section, out);
  section.integer("certificate_years_max", out.certificate_years_max, 1, 50);
  for (const std::string& policy : section.texts("consent_policies")) {
    if (auto oid = pki::oid_from_string(policy)) {
      out.consent_policies.push_back(*std::move(oid));
    } else {
      section.fault(*section.get("consent_policies"),
                    fmt::format("`consent_policies` holds \"{}\", which is no OID such as "
                                "\"1.2.392.200149.8.5.1.1.20\"",
                                policy));
    }
  }
  if (const toml::table* table = section.table("responder")) {
    out.responder = read_responder(section.child(*table, "[issuers.responder]"));
  }
  section.finish();
  return out;
}

OcspConfig read_ocsp(Section section) {
  OcspConfig out;
  out.listen = section.listen("listen");
  enum class Access { open, mtls };
  Access access = Access::open;
  section.choice("access", access, {{"open", Access::open}, {"mtls", Access::mtls}});
  if (access == Access::mtls) {
    out.tls = read_tls(section);
  } else {
    for (const char* key : {"certificate", "key", "client_ca"}) {
      if (const toml::node* node = section.get(key)) {
        section.fault(*node, fmt::format("`{}` goes with access = \"mtls\"", key));
      }
    }
  }
  section.integer("threads", out.threads, 0, 1024);
  section.integer("connections_max", out.connections_max, 1, 1'000'000);
  section.integer("request_bytes_max", out.request_bytes_max, 128, 1 << 20);
  section.duration("request_timeout", out.request_timeout);
  section.duration("idle_timeout", out.idle_timeout);
  section.duration("drain_timeout", out.drain_timeout);
  section.duration("max_age", out.max_age);
  section.size("cache", out.cache_bytes);
  section.integer("signing_queue_max", out.signing_queue_max, 1, 1'000'000);
  section.choice("nonce", out.nonce,
                 {{"echo", NoncePolicy::echo}, {"ignore", NoncePolicy::ignore}});
  section.finish();
  return out;
}

void check_names(const std::vector<IssuerConfig>& issuers, const toml::table& root,
                 Faults& faults) {
  std::set<std::string> names;
  for (const IssuerConfig& issuer : issuers) {
    if (!names.insert(issuer.name).second) {
      faults.add(root.get("issuers")->source(),
                 fmt::format("two issuers have the name `{}`", issuer.name));
    }
  }
}

void read_root(const toml::table& root, const fs::path& base, Faults& faults, Config& out) {
  Section section(root, "the file", base, faults);
  if (const toml::table* table = section.table("index")) {
    out.index = read_index(section.child(*table, "[index]"));
  } else {
    out.index.directory = base / out.index.directory;
  }
  if (const toml::node* node = section.get("issuers")) {
    const toml::array* array = node->as_array();
    if (array == nullptr || !array->is_array_of_tables()) {
      section.fault(*node, "issuers are written as [[issuers]], one block each");
    } else {
      for (const toml::node& item : *array) {
        out.issuers.push_back(read_issuer(section.child(*item.as_table(), "[[issuers]]")));
      }
    }
  } else {
    faults.add(root.source(), "the file needs a block [[issuers]] for each CA");
  }
  if (const toml::table* table = section.table("fetch")) {
    out.fetch = read_fetch(section.child(*table, "[fetch]"));
  }
  if (const toml::table* table = section.table("ocsp")) {
    out.ocsp = read_ocsp(section.child(*table, "[ocsp]"));
  }
  if (const toml::table* table = section.table("ops")) {
    Section ops = section.child(*table, "[ops]");
    out.ops = ops.listen("listen");
    ops.finish();
  }
  read_platform(section, out);
  section.finish();
  check_names(out.issuers, root, faults);
}

}  // namespace

const IssuerConfig* Config::issuer(std::string_view name) const {
  const auto found = std::ranges::find(issuers, name, &IssuerConfig::name);
  return found == issuers.end() ? nullptr : &*found;
}

ConfigError::ConfigError(const std::vector<std::string>& faults)
    : std::runtime_error(std::accumulate(faults.begin(), faults.end(), std::string(),
                                         [](std::string text, const std::string& f) {
                                           return text.empty() ? f : std::move(text) + "\n" + f;
                                         })) {}

Config load_config(const fs::path& path) {
  std::string content;
  try {
    content = read_file(path);
  } catch (const std::system_error& error) {
    throw ConfigError({error.what()});
  }
  const toml::parse_result parsed = toml::parse(content, path.string());
  if (!parsed) {
    const auto& error = parsed.error();
    throw ConfigError(
        {fmt::format("{}:{}: {}", path.string(), error.source().begin.line, error.description())});
  }
  Config out;
  out.path = fs::absolute(path).lexically_normal();
  Faults faults(path.string());
  read_root(parsed.table(), out.path.parent_path(), faults, out);
  if (const auto all = faults.sorted(); !all.empty()) throw ConfigError(all);
  return out;
}

}  // namespace server
