// consent_jobs.hpp: what must happen to consents though nobody asks: the authority is told and
// listened to, terms end, institutions are reminded, and what was left open is closed.
#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>

#include "server/metrics.hpp"
#include "server/platform/consent_relay.hpp"

namespace server {

// A thread with a loop of its own. Any number of servers may run one on the same database: work is
// claimed in the database, and what is done twice has one effect.
class ConsentJobs {
 public:
  // Makes the gateway that the jobs use, on their loop.
  using MakeGateway = std::function<std::shared_ptr<ConsentGateway>(boost::asio::io_context&)>;

  // `parts` and `tokens` live longer; `parts.consents` is not used. Nothing is done before start().
  ConsentJobs(const PlatformParts& parts, TokenService& tokens, MakeGateway make_gateway,
              std::chrono::milliseconds withdrawal_poll);
  ~ConsentJobs();
  void start();
  // Returns once the thread has ended; what is under way at the authority is given up, and done
  // again by whoever starts next.
  void stop();

  // tashika_consent_*. Any thread.
  void describe(MetricsText& text) const;

 private:
  struct Figures {
    std::atomic<std::uint64_t> relayed{};
    std::atomic<std::uint64_t> withdrawals_heard{};
    std::atomic<std::uint64_t> ended{};
    std::atomic<std::uint64_t> reminders{};
    std::atomic<std::uint64_t> abandoned{};
    std::atomic<std::uint64_t> pruned{};
  };
  boost::asio::awaitable<void> every(std::chrono::milliseconds pause, const char* what,
                                     std::function<boost::asio::awaitable<void>()> job);
  boost::asio::awaitable<void> relay();
  boost::asio::awaitable<void> hear_withdrawals();
  boost::asio::awaitable<void> expire();  // of terms and of services
  boost::asio::awaitable<void> end_one(const ConsentName& name, const ConsentEnding& ending,
                                       pki::Time now);
  boost::asio::awaitable<void> remind();
  boost::asio::awaitable<void> tidy();

  PlatformParts parts_;  // with the gateway of this thread
  ConsentRelay relay_;
  const MakeGateway make_gateway_;
  const std::chrono::milliseconds withdrawal_poll_;
  boost::asio::io_context io_{1};
  std::shared_ptr<ConsentGateway> gateway_;
  Figures figures_;
  std::thread thread_;
};

// What one heard withdrawal does, in a platform session: exactly one effect, however often it is
// heard; remembered if its consent is not known here yet. True if a consent ended.
bool apply_withdrawal(Session& session, const AuthorityWithdrawal& withdrawal, pki::Time now);

// The authority says that a consent has ended (AvailabilityChecks::OnConsentEnded). Platform
// session; false if it had ended here, too.
bool end_by_authority(Session& session, const ConsentName& name, AuthorityRefusal why,
                      pki::Time now);

}  // namespace server
