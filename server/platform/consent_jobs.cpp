#include "server/platform/consent_jobs.hpp"

#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <charconv>

#include "server/log.hpp"
#include "server/store/consent_tokens.hpp"
#include "server/store/disclosures.hpp"

namespace server {
namespace {

constexpr std::uint32_t kBatch = 100;
constexpr std::uint32_t kPruneBatch = 5'000;
constexpr std::uint32_t kWithdrawalPage = 500;
constexpr std::chrono::seconds kDisclosureAbandoned{600};
// Longer than a question to the authority may take: nobody else takes the work meanwhile.
constexpr std::chrono::seconds kClaimed{60};
constexpr const char* kWithdrawalsHeard = "authority.withdrawals_heard";

std::uint64_t number_of(const std::string& text) {
  std::uint64_t out = 0;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

// Where the reading of withdrawals stands. It only goes forward, whoever was faster.
void advance_withdrawals(Session& session, std::uint64_t next_after) {
  if (number_of(lock_platform_state(session, kWithdrawalsHeard)) < next_after) {
    set_platform_state(session, kWithdrawalsHeard, fmt::format("{}", next_after));
  }
}

}  // namespace

bool apply_withdrawal(Session& session, const AuthorityWithdrawal& withdrawal, pki::Time now) {
  lock_authority_consent(session, withdrawal.authority_consent_id);
  const auto consent = find_consent_at_authority(session, withdrawal.authority_consent_id);
  if (!consent) {
    set_platform_state(session, early_withdrawal_name(withdrawal.authority_consent_id),
                       pki::to_string(withdrawal.at));
    return false;
  }
  const bool was_own_app = withdrawal.channel == WithdrawalChannel::own_app;
  return end_consent_by_name(
      session, {consent->institution_id, consent->consent_id},
      {ConsentStatus::withdrawn,
       {was_own_app ? "subject" : "institution",
        was_own_app ? "withdrawn_by_subject_at_authority" : "withdrawn_at_authority",
        withdrawal.at},
       ConsentEnding::Relay::no},
      "authority", now);
}

bool end_by_authority(Session& session, const ConsentName& name, AuthorityRefusal why,
                      pki::Time now) {
  const bool has_expired = why == AuthorityRefusal::consent_expired;
  return end_consent_by_name(
      session, name,
      {has_expired ? ConsentStatus::expired : ConsentStatus::withdrawn,
       {has_expired ? "authority" : "subject",
        has_expired ? "validity_ended" : "withdrawn_by_subject_at_authority", now},
       ConsentEnding::Relay::no},
      "authority", now);
}

ConsentJobs::ConsentJobs(const PlatformParts& parts, TokenService& tokens, MakeGateway make_gateway,
                         std::chrono::milliseconds withdrawal_poll)
    : parts_(parts),
      relay_(parts_, tokens),
      make_gateway_(std::move(make_gateway)),
      withdrawal_poll_(withdrawal_poll) {
  parts_.consents = [this]() -> ConsentGateway& { return *gateway_; };
}

ConsentJobs::~ConsentJobs() {
  stop();
}

void ConsentJobs::start() {
  using std::chrono::seconds;
  const auto run = [this](std::chrono::milliseconds pause, const char* what,
                          boost::asio::awaitable<void> (ConsentJobs::*job)()) {
    boost::asio::co_spawn(io_, every(pause, what, [this, job] { return (this->*job)(); }),
                          boost::asio::detached);
  };
  gateway_ = make_gateway_(io_);
  run(seconds{1}, "relay", &ConsentJobs::relay);
  run(withdrawal_poll_, "hear_withdrawals", &ConsentJobs::hear_withdrawals);
  run(seconds{1}, "expire", &ConsentJobs::expire);
  run(seconds{5}, "remind", &ConsentJobs::remind);
  run(seconds{10}, "tidy", &ConsentJobs::tidy);
  thread_ = std::thread([this] { io_.run(); });
}

void ConsentJobs::stop() {
  if (!thread_.joinable()) return;
  io_.stop();
  thread_.join();
}

// One job, for ever. Its trouble is said once, until it goes well again.
boost::asio::awaitable<void> ConsentJobs::every(std::chrono::milliseconds pause, const char* what,
                                                std::function<boost::asio::awaitable<void>()> job) {
  boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor);
  std::string said;
  for (;;) {
    std::string trouble;
    try {
      co_await job();
    } catch (const std::exception& error) {
      trouble = error.what();
    }
    if (!trouble.empty() && trouble != said) {
      log(Level::warning, "consent_job_failed", {{"job", what}, {"error", trouble}});
    }
    said = std::move(trouble);
    timer.expires_after(pause);
    co_await timer.async_wait(boost::asio::use_awaitable);
  }
}

boost::asio::awaitable<void> ConsentJobs::relay() {
  const pki::Time now = parts_.clock();
  const auto due = co_await parts_.database.run([&](Connection& connection) {
    Session session(connection);
    auto out = claim_relays(session, now, now + kClaimed, kBatch);
    session.commit();
    return out;
  });
  for (const Consent& consent : due) {
    if (consent.status == ConsentStatus::pending) {
      co_await relay_.register_at_authority(consent.institution_id, consent.consent_id,
                                            std::nullopt);
    } else {
      co_await relay_.withdraw_at_authority(consent.institution_id, consent.consent_id);
    }
    ++figures_.relayed;
  }
}

boost::asio::awaitable<void> ConsentJobs::hear_withdrawals() {
  for (;;) {
    const std::uint64_t after = co_await parts_.database.run([&](Connection& connection) {
      Session session(connection);
      return number_of(platform_state(session, kWithdrawalsHeard));
    });
    const WithdrawalPage page =
        co_await parts_.consents().withdrawals_after(after, kWithdrawalPage);
    if (page.withdrawals.empty()) co_return;
    const pki::Time now = parts_.clock();
    for (const AuthorityWithdrawal& withdrawal : page.withdrawals) {
      const bool has_ended = co_await parts_.database.run([&](Connection& connection) {
        Session session(connection);
        const bool out = apply_withdrawal(session, withdrawal, now);
        session.commit();
        return out;
      });
      figures_.withdrawals_heard += has_ended ? 1U : 0U;
    }
    co_await parts_.database.run([&](Connection& connection) {
      Session session(connection);
      advance_withdrawals(session, page.next_after);
      session.commit();
    });
  }
}

boost::asio::awaitable<void> ConsentJobs::expire() {
  const pki::Time now = parts_.clock();
  const auto past = co_await parts_.database.run([&](Connection& connection) {
    Session session(connection);
    return consents_past_term(session, now, kBatch);
  });
  const ConsentEnding over{
      ConsentStatus::expired, {"platform", "validity_ended", now}, ConsentEnding::Relay::no};
  for (const ConsentName& name : past) co_await end_one(name, over, now);
  const auto ended = co_await parts_.database.run([&](Connection& connection) {
    Session session(connection);
    return consents_of_ended_services(session, kBatch);
  });
  const ConsentEnding discontinued{ConsentStatus::withdrawn,
                                   {"institution", "service_discontinued", now},
                                   ConsentEnding::Relay::yes};
  for (const ConsentName& name : ended) co_await end_one(name, discontinued, now);
}

boost::asio::awaitable<void> ConsentJobs::end_one(const ConsentName& name,
                                                  const ConsentEnding& ending, pki::Time now) {
  co_await parts_.database.run([&](Connection& connection) {
    Session session(connection);
    if (!end_consent_by_name(session, name, ending, "platform", now)) return;
    session.commit();
    ++figures_.ended;
  });
}

// A month before a term or the last token ends, by expiry_notice.
boost::asio::awaitable<void> ConsentJobs::remind() {
  const pki::Time now = parts_.clock();
  const pki::Time until = now + parts_.consent.expiry_notice;
  co_await parts_.database.run([&](Connection& connection) {
    Session session(connection);
    for (const ConsentName& name : consents_ending(session, until, kBatch)) {
      const auto locked = lock_consent(session, name.institution_id, name.consent_id);
      if (!locked || locked->consent.status != ConsentStatus::active ||
          !mark_expiry_told(session, locked->consent)) {
        continue;
      }
      put_consent_event(session, locked->consent, EventType::consent_expiring, now);
      ++figures_.reminders;
    }
    session.commit();
  });
  co_await parts_.database.run([&](Connection& connection) {
    Session session(connection);
    for (const ConsentName& name : claim_tokens_ending(session, until, kBatch)) {
      const auto consent = find_consent(session, name.institution_id, name.consent_id);
      if (!consent) continue;
      put_consent_event(session, *consent, EventType::token_reissue_needed, now);
      ++figures_.reminders;
    }
    session.commit();
  });
}

boost::asio::awaitable<void> ConsentJobs::tidy() {
  const pki::Time now = parts_.clock();
  const auto open = co_await parts_.database.run([&](Connection& connection) {
    Session session(connection);
    return open_disclosures(session, now - kDisclosureAbandoned, kBatch);
  });
  for (const OpenDisclosure& one : open) {
    co_await parts_.database.run([&](Connection& connection) {
      Session session(connection);
      if (!abandon_disclosure(session, one, now)) return;
      append_audit(session, now, {"platform", "disclosure.failed", one.disclosure_id, "{}"},
                   one.institution_id);
      session.commit();
      ++figures_.abandoned;
    });
  }
  figures_.pruned += co_await parts_.database.run([&](Connection& connection) {
    Session session(connection);
    const std::size_t out = prune_idempotency(session, now - kAnswersKept, kPruneBatch);
    session.commit();
    return out;
  });
}

void ConsentJobs::describe(MetricsText& text) const {
  const auto count = [&](const char* name, const char* help, std::uint64_t value) {
    text.counter(name, help, {}, static_cast<double>(value));
  };
  count("tashika_consent_relays_total", "Registrations and withdrawals sent again or later.",
        figures_.relayed);
  count("tashika_consent_withdrawals_heard_total", "Consents that ended at the authority.",
        figures_.withdrawals_heard);
  count("tashika_consent_ended_total", "Consents whose term or service ended.", figures_.ended);
  count("tashika_consent_reminders_total", "Notices of ends to come.", figures_.reminders);
  count("tashika_disclosures_abandoned_total", "Disclosures that nobody finished.",
        figures_.abandoned);
  count("tashika_idempotency_pruned_total", "Kept answers that were forgotten.", figures_.pruned);
}

}  // namespace server
