// platform_config.hpp: the part of the configuration that the institutions' API needs: its
// listener, the database, the authority upstream, and the rules for consents. config/tashika.toml
// explains every key.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>

namespace server {

struct ListenConfig {
  std::string address;
  std::uint16_t port = 0;
};

// A server's side of TLS 1.3 with client certificates. The files are read again when they change.
struct TlsConfig {
  std::filesystem::path certificate;  // PEM, the chain after it
  std::filesystem::path key;          // PEM, not encrypted
  std::filesystem::path client_ca;    // PEM, one or several: who may issue client certificates
};

struct ApiConfig {
  ListenConfig listen;
  TlsConfig tls;
  std::string base_url;  // "https://api.example.jp", without a slash at the end: names tokens,
                         // problems and claims. Not given: made of the listener's address
  std::string environment = "production";  // a cursor of one is not valid in another
  std::uint32_t threads = 0;               // 0: one a core
  std::uint32_t connections_max = 20'000;
  std::uint32_t request_bytes_max = 256 << 10;
  std::uint32_t batch_bytes_max = 4 << 20;  // for the addresses that take many items
  std::chrono::milliseconds request_timeout{10'000};
  std::chrono::milliseconds idle_timeout{120'000};
  std::chrono::milliseconds drain_timeout{10'000};
  std::uint32_t requests_per_second = 200;  // of one institution, with bursts of ten times as many
  std::uint32_t certificate_connections_max = 0;  // with one client certificate; 0: a tenth of all
};

struct DatabaseConfig {
  std::string url;  // libpq's: "postgresql:///tashika" or "host=… dbname=…"; empty: status only
  // Wraps the keys under which sensitive columns are sealed: 32 octets in hexadecimal, in a file
  // that only the server may read. `tashika migrate` makes it if nothing was sealed yet.
  std::filesystem::path key_encryption_key;
  std::uint32_t connections = 6;
  std::uint32_t queue_max = 512;  // waiting for a connection; more is answered 503
  std::chrono::milliseconds statement_timeout{5'000};
  std::chrono::milliseconds connect_timeout{3'000};
  std::string settings;  // SQL for each new connection of some purpose; not in the file
};

struct AuthorityConfig {
  std::string url;                    // https
  std::filesystem::path certificate;  // ours, for mutual TLS
  std::filesystem::path key;
  std::filesystem::path ca;        // trust anchors for the authority's server
  std::uint32_t connections = 16;  // of all threads together, at least one each
  std::uint32_t queue_max = 1024;  // questions waiting for a connection; more is refused
  // For newer certificates, on the platform's own account; the rest of a day's revocations waits.
  std::uint32_t checks_per_second = 200;
  std::chrono::milliseconds timeout{5'000};  // of one question, all its attempts
  std::uint32_t response_bytes_max = 64 << 10;
  std::uint32_t breaker_failures = 5;                 // in a row; then it is left alone
  std::chrono::milliseconds breaker_pause{10'000};    // for so long
  std::chrono::milliseconds withdrawal_poll{15'000};  // withdrawals are not pushed
};

// Which of the two moments begins a consent's ten years (from the day after, in Japan).
enum class TermRule : std::uint8_t { from_received, from_reflected };

// From when on a consent may be used: the law counts its ten years from the day after, which need
// not mean that the first day does not count.
enum class UsableFrom : std::uint8_t { at_once, day_after };

struct ConsentConfig {
  TermRule term = TermRule::from_received;
  UsableFrom usable = UsableFrom::at_once;
  bool match = false;                      // is POST /attributes/match served?
  std::chrono::hours evidence_window{24};  // how old a signed consent may be at registration
  std::chrono::seconds first_check{60};    // after a lapse: when the authority is first asked again
  std::chrono::hours last_check{24};       // the longest wait between two such questions
  std::chrono::hours give_up{365 * 24};    // without a new certificate: the update has lapsed
  std::chrono::seconds confirmation_timeout{24 * 3600};  // pending for so long: rejected
  std::chrono::hours cursor_life{400 * 24};
  std::chrono::hours expiry_notice{30 * 24};  // consent.expiring, token.reissue_needed
};

}  // namespace server
