// http_budget.hpp: what the connections of one listener may use, all together and with one client
// certificate: connections, and memory for bodies. Shared by the listener's workers; it must not
// know sockets.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

namespace server {

class MetricsText;

// What came to its limit.
enum class Shortage : std::uint8_t {
  connections,              // new ones wait in the kernel's queue
  handshakes,               // the oldest that had not finished was dropped, to make room
  certificate_connections,  // one more with the same certificate was refused
  bodies,                   // a body was refused
};
inline constexpr std::array<std::string_view, 4> kShortages = {"connections", "handshakes",
                                                               "certificate_connections", "bodies"};

class HttpBudget {
  struct Party {
    std::uint32_t connections = 0;  // protected by mutex_
    std::atomic<std::uint64_t> body_bytes = 0;
  };

 public:
  struct Limits {
    std::uint32_t connections = 20'000;
    std::uint32_t certificate_connections = 0;  // with one client certificate; 0: as many as there
                                                // may be
    std::uint64_t body_bytes = 0;               // received and not answered yet; 0: no limit
  };
  // One client certificate may use so much of body_bytes: it can't lock the others out.
  static constexpr std::uint64_t kCertificateShare = 8;

  using Thumbprint = std::array<std::uint8_t, 32>;

  explicit HttpBudget(const Limits& limits) : limits_(limits) {}

  // What one connection uses, from its beginning to its end. One thread at a time.
  class Share {
   public:
    explicit Share(HttpBudget& budget);
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;
    ~Share();

    // Who is at the other end. False if they have as many connections as they may.
    [[nodiscard]] bool admit(const Thumbprint& thumbprint);
    // The body being received has so many bytes now. False if that is too much.
    [[nodiscard]] bool hold_body(std::uint64_t bytes);
    void release_body();

   private:
    HttpBudget& budget_;
    std::map<Thumbprint, Party>::iterator party_;
    bool is_admitted_ = false;
    std::uint64_t body_bytes_ = 0;
  };

  [[nodiscard]] bool is_full() const { return open_connections_ >= limits_.connections; }
  [[nodiscard]] std::uint64_t open_connections() const { return open_connections_; }

  // Counts it, and logs it every ten seconds at most.
  void note(Shortage what);
  void describe(MetricsText& text, const std::string& listener) const;

 private:
  const Limits limits_;
  std::atomic<std::uint64_t> open_connections_ = 0;
  std::atomic<std::uint64_t> body_bytes_ = 0;
  std::array<std::atomic<std::uint64_t>, kShortages.size()> shortages_{};
  std::array<std::atomic<std::int64_t>, kShortages.size()> logged_second_{};

  std::mutex mutex_;
  // Protected by mutex_; a node stays where it is as long as it has connections:
  std::map<Thumbprint, Party> parties_;
};

}  // namespace server
