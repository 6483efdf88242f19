// tls.hpp: a listener's side of TLS 1.3 with client certificates, made of three files that may be
// replaced while it serves. Nothing of sockets or HTTP.
//
// A client must present a certificate that leads to one of `client_ca`, is valid now, and may be
// used by TLS clients (RFC 5280 4.2.1.12). Nothing is resumed (no tickets, no session cache): who
// is asking is found out anew on each connection. What a certificate is allowed to do is not
// decided here.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "server/files.hpp"
#include "server/platform_config.hpp"
#include "server/tls_session.hpp"

namespace server {

class TlsContext {
 public:
  // Throws CredentialError, or std::system_error if a file can't be read; both name the file.
  TlsContext(TlsConfig config, pki::Time now);

  // A session by the files in force. The socket is connected and does not block. Any thread; the
  // context must outlive the session.
  [[nodiscard]] std::unique_ptr<TlsSession> open(int socket);

  // Looks at the files, once a second and not more often, and takes them over for new connections
  // once they have stayed the same from one look to the next: certificate and key are not replaced
  // in one moment. Files that are wrong are logged once and leave the old ones in force. Any
  // thread; costs three stat() a second. Never throws for what is in the files.
  void refresh(pki::Time now);

  struct Figures {
    std::array<std::uint64_t, kHandshakeEnds.size()> handshakes{};  // by HandshakeEnd
    std::uint64_t reloads = 0;
    std::uint64_t reload_failures = 0;
    pki::Time not_after;  // of our certificate in force
    std::string fault;    // of the files on disk, if they are not the ones in force
  };
  [[nodiscard]] Figures figures() const;

 private:
  using Stamps = std::array<FileStamp, 3>;
  struct Loaded {
    std::shared_ptr<ssl_ctx_st> context;
    pki::Time not_after;
  };
  [[nodiscard]] static Loaded load(const TlsConfig& config, pki::Time now);
  [[nodiscard]] Stamps look() const;

  const TlsConfig config_;
  HandshakeCounters counters_;
  std::atomic<std::int64_t> looked_at_ = 0;  // the second of the last look

  std::mutex refreshing_;
  // Protected by refreshing_:
  Stamps seen_;    // at the last look
  Stamps loaded_;  // of what was last loaded, or tried

  mutable std::mutex mutex_;
  // Protected by mutex_:
  Loaded current_;
  std::uint64_t reloads_ = 0;
  std::uint64_t reload_failures_ = 0;
  std::string fault_;
};

// Why a client with the certificate in `file` (DER, or PEM with its chain after it) would not get
// in, in words; empty if it would, perhaps once its time has begun. Without a listener: what the
// certificate says of itself. Throws as TlsContext does for files that can't be read.
[[nodiscard]] std::string client_certificate_fault(const std::filesystem::path& file,
                                                   const TlsConfig* listener, pki::Time now);

}  // namespace server
