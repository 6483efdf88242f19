// config.hpp: the configuration file (TOML), read once, checked whole. config/tashika.toml explains
// every key; this is the reference for code.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "libpki/responder.hpp"
#include "server/list_fetcher.hpp"
#include "server/platform_config.hpp"

namespace server {

// What a serial means that is on no list. A list alone can say no more than "not revoked".
enum class Unlisted : std::uint8_t {
  unknown,  // nothing is claimed
  good,     // RFC 6960 2.2: not revoked; the list can't tell whether it was ever issued
};

// What a serial means that is on no list and, by the list of issued ones, was never issued.
enum class NotIssued : std::uint8_t {
  unknown,
  revoked,  // and said to be so, by extended-revoke (RFC 6960 2.2)
};

// What the answer says of certificates that expired (RFC 6960 4.4.4).
enum class ArchiveCutoff : std::uint8_t {
  none,
  of_list,  // what the list says: ExpiredCertsOnCRL
  fixed,    // entries stay on the list for archive_retention after expiry; the operator knows
};

// What is answered once a list is past its nextUpdate. Never "good".
enum class Stale : std::uint8_t { try_later, unauthorized };

enum class ResponderIdForm : std::uint8_t { by_key, by_name };

enum class NoncePolicy : std::uint8_t {
  echo,    // a request with a nonce gets an answer of its own
  ignore,  // the nonce is left out (RFC 9919 3.2.1) and the answer may come from the cache
};

struct ResponderConfig {
  std::filesystem::path certificate;  // PEM or DER
  std::filesystem::path key;          // PEM, not encrypted
  pki::TrustedResponder trusted = pki::TrustedResponder::no;
  ResponderIdForm id = ResponderIdForm::by_key;
};

struct IssuerConfig {
  std::string name;                   // letters, digits, '-', '_', '.'; unique
  std::filesystem::path certificate;  // the CA's, PEM or DER

  // Paths (made absolute), directories or URLs; together with what the manifest names: all of them.
  std::vector<std::string> crl;
  std::string crl_manifest;  // path or URL of a text that names one list a line; or empty
  std::vector<std::string> delta_crl;
  std::string delta_crl_manifest;
  std::uint32_t partitions = 0;  // how many complete lists there must be; 0: as many as are named
  // No certificate lasts longer. One of which only is known when it was issued is taken to end
  // then.
  std::uint32_t certificate_years_max = 5;
  // The share by which a list may grow or shrink unasked. Not given: it may grow at will, since a
  // flood of revocations must be served at once, and shrink by half.
  std::optional<double> change_limit;
  std::string issued;  // path or URL of a list of issued serials; or empty

  Unlisted unlisted = Unlisted::good;
  NotIssued not_issued = NotIssued::unknown;
  Stale stale = Stale::try_later;
  bool crl_id = false;  // answers name the list that they are of (RFC 6960 4.4.2)
  ArchiveCutoff archive_cutoff = ArchiveCutoff::none;
  std::chrono::hours archive_retention{0};
  std::optional<ResponderConfig> responder;

  // Certificates of this issuer that hold one of these policies (content octets of OIDs) may sign
  // consents. Empty: all that look like JPKI's signing certificates.
  std::vector<std::vector<std::uint8_t>> consent_policies;
};

struct IndexConfig {
  std::filesystem::path directory = "var/index";
  std::uint32_t keep_generations = 3;                // the newest ones are always kept
  std::chrono::hours keep{48};                       // and all that are younger
  std::uint64_t ingest_memory_bytes = 400ULL << 20;  // for entries; the rest goes to scratch files
  std::chrono::seconds clock_skew{300};  // how far a thisUpdate may be ahead of our clock
  std::chrono::hours history{400 * 24};  // how long it is remembered what left the lists
};

struct OcspConfig {
  ListenConfig listen;
  std::optional<TlsConfig>
      tls;                    // access = "mtls": TLS, and only for holders of a client certificate
  std::uint32_t threads = 0;  // 0: one a core
  std::uint32_t connections_max = 20'000;
  std::uint32_t request_bytes_max = 8192;
  std::chrono::milliseconds request_timeout{10'000};  // from a request's first byte to its last
  std::chrono::milliseconds idle_timeout{60'000};     // between requests
  std::chrono::milliseconds drain_timeout{10'000};    // after SIGTERM
  std::chrono::seconds max_age{3600};                 // the longest that a proxy may keep an answer
  std::uint64_t cache_bytes = 16ULL << 20;
  std::uint32_t signing_queue_max = 256;  // waiting for a slow key; more is answered tryLater
  NoncePolicy nonce = NoncePolicy::echo;
};

struct Config {
  std::filesystem::path path;
  IndexConfig index;
  FetchConfig fetch;
  std::vector<IssuerConfig> issuers;
  std::optional<OcspConfig> ocsp;
  std::optional<ListenConfig> ops;

  // The platform half; without a [database] there is none.
  std::optional<ApiConfig> api;
  std::optional<DatabaseConfig> database;
  std::optional<AuthorityConfig> authority;
  ConsentConfig consent;

  // The issuer of that name, or null.
  [[nodiscard]] const IssuerConfig* issuer(std::string_view name) const;
};

// Everything that is wrong with a configuration file, one line each: "tashika.toml:12: …".
class ConfigError : public std::runtime_error {
 public:
  explicit ConfigError(const std::vector<std::string>& faults);
};

// Reads and checks. All faults are reported at once. Relative paths are relative to the file.
// Throws ConfigError, also if the file can't be read.
[[nodiscard]] Config load_config(const std::filesystem::path& path);

}  // namespace server
