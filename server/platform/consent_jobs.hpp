// consent_jobs.hpp: what must happen to consents though nobody asks: the authority is told and
// listened to, terms end, institutions are reminded, and what was left open is closed.
#pragma once

#include <array>
#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>

#include "server/metrics.hpp"
#include "server/platform/consent_relay.hpp"
#include "server/platform/job_figures.hpp"

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
  // Returns once the thread has ended, and nothing of it is on a thread of the database any more.
  // What is under way at the authority is given up, and done again by whoever starts next.
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
  struct Job {
    Job(const char* name, boost::asio::awaitable<void> (ConsentJobs::*what)(),
        std::chrono::milliseconds between)
        : figures(name), run(what), pause(between) {}
    JobFigures figures;
    boost::asio::awaitable<void> (ConsentJobs::*run)();
    std::chrono::milliseconds pause;
    boost::asio::cancellation_signal cancel;
    std::string trouble;  // that one of this time's items had, which kept no other from its turn
  };
  [[nodiscard]] std::array<Job*, 5> jobs();
  boost::asio::awaitable<void> every(Job& job);
  boost::asio::awaitable<void> relay();
  boost::asio::awaitable<void> relay_one(const Consent& consent);
  boost::asio::awaitable<void> put_off(const Consent& consent, const std::string& trouble);
  boost::asio::awaitable<void> hear_withdrawals();
  boost::asio::awaitable<void> hear(const WithdrawalPage& page);
  boost::asio::awaitable<void> expire();  // of terms, of services, of waiting for the authority
  // Those that `find` names, each in a transaction of its own, which `treat` commits. It returns
  // whether `find` will not name that one again.
  using Find = std::function<std::vector<ConsentName>(Session&)>;
  using Treat = std::function<bool(Session&, const ConsentName&)>;
  boost::asio::awaitable<void> each(Job& job, const Find& find, const Treat& treat);
  boost::asio::awaitable<std::size_t> batch(Job& job, const Find& find, const Treat& treat);
  boost::asio::awaitable<void> remind();
  boost::asio::awaitable<void> tidy();
  [[nodiscard]] bool is_borne_out(pki::Time now) const;  // by lists in force

  PlatformParts parts_;  // with the gateway of this thread
  ConsentRelay relay_;
  const MakeGateway make_gateway_;
  boost::asio::io_context io_{1};
  std::shared_ptr<ConsentGateway> gateway_;
  Figures figures_;
  Job relay_job_;
  Job hear_job_;
  Job expire_job_;
  Job remind_job_;
  Job tidy_job_;
  // Of the thread alone, once it runs:
  std::size_t running_ = 0;  // jobs
  bool ending_ = false;
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
