// tls_session.hpp: TLS on one connected socket. It never waits and keeps no buffers while nothing
// moves; who waits for the socket, and where the bytes go, is http_stream's matter.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "libpki/asn1_time.hpp"

struct ssl_ctx_st;
struct ssl_st;

namespace server {

// Who is at the other end, as the handshake proved it. Good as long as its connection.
struct PeerCertificate {
  std::array<std::uint8_t, 32> thumbprint{};  // SHA-256 of the certificate's DER
  pki::Time not_after;
  std::string subject;  // RFC 4514 text in UTF-8, cut off after kSubjectBytesMax; to be shown only
  static constexpr std::size_t kSubjectBytesMax = 512;
};

// How handshakes end.
enum class HandshakeEnd : std::uint8_t {
  completed,
  no_certificate,       // the client has none
  certificate_refused,  // not of client_ca, expired, or not made for TLS clients
  failed,               // no TLS 1.3, or no TLS at all
  abandoned,            // the client left or was too slow
};
inline constexpr std::array<std::string_view, 5> kHandshakeEnds = {
    "completed", "no_certificate", "certificate_refused", "failed", "abandoned"};

// Counted by all sessions of a context, on any thread.
struct HandshakeCounters {
  std::array<std::atomic<std::uint64_t>, kHandshakeEnds.size()> ends{};
  std::atomic<std::int64_t> logged_second = 0;  // a refusal is logged once a second at most

  void count(HandshakeEnd end) {
    ends[static_cast<std::size_t>(end)].fetch_add(1, std::memory_order_relaxed);
  }
};

// What became of a step.
enum class StreamStep : std::uint8_t {
  done,
  want_read,   // again, once the socket has something to read
  want_write,  // again, once the socket takes something
  end,         // the other side has sent all that it will
  failed,      // the connection is of no use any more
};

// One thread at a time. The socket must outlive it and must not block.
class TlsSession {
 public:
  // Throws std::bad_alloc.
  TlsSession(ssl_ctx_st& context, int socket, HandshakeCounters& counters);
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;
  ~TlsSession();

  // The server's part. A client that is refused has been told so by an alert.
  [[nodiscard]] StreamStep handshake();

  // Has the client sent anything yet?
  [[nodiscard]] bool has_begun() const;

  // After the handshake.
  [[nodiscard]] PeerCertificate peer() const;

  // `bytes` is how many were read or written; 0 unless done.
  [[nodiscard]] StreamStep read(char* out, std::size_t size, std::size_t& bytes);
  [[nodiscard]] StreamStep write(const char* data, std::size_t size, std::size_t& bytes);

  // Bytes were taken from the socket that read() has not given out: the socket will not tell.
  [[nodiscard]] bool has_input() const;

  // Says close_notify, if anything can still be said. Nothing is written after it.
  void finish();

 private:
  enum class State : std::uint8_t { handshaking, open, finished, failed };
  [[nodiscard]] StreamStep step_of(int result);
  void on_handshake_failure(int error);

  ssl_st* const ssl_;
  HandshakeCounters& counters_;
  State state_ = State::handshaking;
};

}  // namespace server
