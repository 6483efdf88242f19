#include "server/commands/config_files.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <fstream>
#include <system_error>

#include "server/store/key_ring.hpp"
#include "server/tls.hpp"
#include "server/upstream/authority_link.hpp"

namespace server {
namespace {

// Files that the configuration names and nobody can open, each with its key.
std::vector<std::string> unreadable_files(const Config& config) {
  std::vector<std::string> faults;
  const auto open = [&faults](const std::string& key, const std::filesystem::path& path) {
    if (std::ifstream(path).good()) return;
    faults.push_back(fmt::format("{}: cannot open {}: {}", key, path.string(),
                                 std::generic_category().message(errno)));
  };
  const auto open_tls = [&open](const char* section, const TlsConfig& tls) {
    open(fmt::format("[{}] `certificate`", section), tls.certificate);
    open(fmt::format("[{}] `key`", section), tls.key);
    open(fmt::format("[{}] `client_ca`", section), tls.client_ca);
  };
  for (const IssuerConfig& issuer : config.issuers) {
    open(fmt::format("issuer {}: `certificate`", issuer.name), issuer.certificate);
    if (!config.ocsp || !issuer.responder) continue;
    open(fmt::format("issuer {}: responder's `certificate`", issuer.name),
         issuer.responder->certificate);
    open(fmt::format("issuer {}: responder's `key`", issuer.name), issuer.responder->key);
  }
  if (config.ocsp && config.ocsp->tls) open_tls("ocsp", *config.ocsp->tls);
  if (config.api) open_tls("api", config.api->tls);
  if (config.database && config.authority) {
    open("[authority] `certificate`", config.authority->certificate);
    open("[authority] `key`", config.authority->key);
    open("[authority] `ca`", config.authority->ca);
  }
  return faults;
}

}  // namespace

IssuerSet check_files(const Config& config, pki::Time now) {
  std::vector<std::string> faults = unreadable_files(config);
  const auto attempt = [&faults](const auto& load) {
    try {
      load();
    } catch (const std::exception& error) {
      faults.emplace_back(error.what());
    }
  };
  IssuerSet issuers;
  if (faults.empty()) {
    attempt([&] { issuers = load_issuers(config, now); });
    if (config.ocsp && config.ocsp->tls) attempt([&] { TlsContext(*config.ocsp->tls, now); });
    if (config.api) attempt([&] { TlsContext(config.api->tls, now); });
    if (config.database && config.authority) attempt([&] { AuthorityLink(*config.authority, 1); });
  }
  if (config.database) attempt([&] { KeyRing(config.database->key_encryption_key); });
  if (!faults.empty()) throw ConfigError(faults);
  return issuers;
}

}  // namespace server
