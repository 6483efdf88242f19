#include "server/platform/consent_jobs.hpp"

#include <fmt/format.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>
#include <charconv>

#include "server/log.hpp"
#include "server/store/consent_tokens.hpp"
#include "server/store/disclosures.hpp"
#include "server/store/key_ring.hpp"

namespace server {
namespace {

constexpr std::uint32_t kBatch = 100;
constexpr std::chrono::seconds kTurn{10};  // of one kind of work, if there is more of it
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

// The authority never confirmed it. It may have it all the same, and is told that it is over.
bool reject_unconfirmed(Session& session, const ConsentName& name, pki::Time now) {
  auto locked = lock_consent(session, name.institution_id, name.consent_id);
  if (!locked || locked->consent.status != ConsentStatus::pending) return false;
  end_locked_consent(session, locked->consent,
                     {ConsentStatus::rejected,
                      {"platform", "confirmation_timeout", now},
                      ConsentEnding::Relay::yes},
                     now);
  append_audit(session, now, audit_of(locked->consent, "platform", "consent.rejected"),
               name.institution_id);
  session.commit();
  return true;
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
  return end_consent_by_name(session, name, ending_by_authority(why, now), "authority", now);
}

ConsentJobs::ConsentJobs(const PlatformParts& parts, TokenService& tokens, MakeGateway make_gateway,
                         std::chrono::milliseconds withdrawal_poll)
    : parts_(parts),
      relay_(parts_, tokens),
      make_gateway_(std::move(make_gateway)),
      relay_job_("relay", &ConsentJobs::relay, std::chrono::seconds{1}),
      hear_job_("hear_withdrawals", &ConsentJobs::hear_withdrawals, withdrawal_poll),
      expire_job_("expire", &ConsentJobs::expire, std::chrono::seconds{1}),
      remind_job_("remind", &ConsentJobs::remind, std::chrono::seconds{5}),
      tidy_job_("tidy", &ConsentJobs::tidy, std::chrono::seconds{10}) {
  parts_.consents = [this]() -> ConsentGateway& { return *gateway_; };
}

ConsentJobs::~ConsentJobs() {
  stop();
}

std::array<ConsentJobs::Job*, 5> ConsentJobs::jobs() {
  return {&relay_job_, &hear_job_, &expire_job_, &remind_job_, &tidy_job_};
}

void ConsentJobs::start() {
  gateway_ = make_gateway_(io_);
  for (Job* const job : jobs()) {
    ++running_;
    boost::asio::co_spawn(
        io_, every(*job),
        boost::asio::bind_cancellation_slot(job->cancel.slot(), [this](const std::exception_ptr&) {
          // Without its connections the loop runs out of work, once the database's threads have
          // let go of it, too.
          if (--running_ == 0) gateway_.reset();
        }));
  }
  thread_ = std::thread([this] { io_.run(); });
}

void ConsentJobs::stop() {
  if (!thread_.joinable()) return;
  boost::asio::post(io_, [this] {
    ending_ = true;
    for (Job* const job : jobs()) job->cancel.emit(boost::asio::cancellation_type::terminal);
  });
  thread_.join();
}

// One job, until the end.
boost::asio::awaitable<void> ConsentJobs::every(Job& job) {
  boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor);
  while (!ending_) {
    job.trouble.clear();
    try {
      co_await (this->*job.run)();
    } catch (const std::exception& error) {
      job.trouble = error.what();
    }
    if (ending_) co_return;
    if (job.trouble.empty()) {
      job.figures.succeeded(parts_.clock());
    } else {
      job.figures.failed(job.trouble);
    }
    timer.expires_after(job.pause);
    co_await timer.async_wait(boost::asio::use_awaitable);
  }
}

// Batch after batch: a key that retires, or a bank's certificate that ends, is a million reminders.
// Not for ever, so that each kind has its turn and operations hear that the job is well.
boost::asio::awaitable<void> ConsentJobs::each(Job& job, const Find& find, const Treat& treat) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point over = Clock::now() + kTurn;
  std::size_t done = 0;
  do {
    done = co_await batch(job, find, treat);
  } while (done > 0 && job.trouble.empty() && Clock::now() < over);
}

// How many of them are dealt with.
boost::asio::awaitable<std::size_t> ConsentJobs::batch(Job& job, const Find& find,
                                                       const Treat& treat) {
  const auto names = co_await parts_.database.run([&](Connection& connection) {
    Session session(connection);
    return find(session);
  });
  std::size_t done = 0;
  for (const ConsentName& name : names) {
    try {
      const bool is_done = co_await parts_.database.run([&](Connection& connection) {
        Session session(connection);
        return treat(session, name);
      });
      done += is_done ? 1U : 0U;
    } catch (const DatabaseUnavailable&) {
      throw;
    } catch (const boost::system::system_error&) {  // it is the end
      throw;
    } catch (const std::exception& error) {
      job.trouble = fmt::format("{}: {}", name.consent_id, error.what());
    }
  }
  co_return done;
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
    std::string trouble;
    try {
      co_await relay_one(consent);
    } catch (const DatabaseUnavailable&) {
      throw;
    } catch (const boost::system::system_error&) {
      throw;
    } catch (const std::exception& error) {
      trouble = error.what();
    }
    if (!trouble.empty()) co_await put_off(consent, trouble);
  }
}

boost::asio::awaitable<void> ConsentJobs::relay_one(const Consent& consent) {
  if (consent.status == ConsentStatus::pending) {
    co_await relay_.register_at_authority(consent.institution_id, consent.consent_id, std::nullopt);
  } else {
    co_await relay_.withdraw_at_authority(consent.institution_id, consent.consent_id);
  }
  ++figures_.relayed;
}

// What can't even be asked, as when its serial number can't be opened, is tried less and less
// often.
boost::asio::awaitable<void> ConsentJobs::put_off(const Consent& consent,
                                                  const std::string& trouble) {
  relay_job_.trouble = fmt::format("{}: {}", consent.consent_id, trouble);
  const pki::Time now = parts_.clock();
  co_await parts_.database.run([&](Connection& connection) {
    Session session(connection);
    const auto locked =
        find_consent(session, consent.institution_id, consent.consent_id, RowLock::update);
    if (!locked || !locked->relay_at) return;
    set_relay(session, *locked, now + relay_pause(locked->relay_attempts),
              locked->relay_attempts + 1);
    session.commit();
  });
}

boost::asio::awaitable<void> ConsentJobs::hear_withdrawals() {
  std::uint64_t after = co_await parts_.database.run([&](Connection& connection) {
    Session session(connection);
    return number_of(platform_state(session, kWithdrawalsHeard));
  });
  for (;;) {
    const WithdrawalPage page =
        co_await parts_.consents().withdrawals_after(after, kWithdrawalPage);
    if (page.withdrawals.empty()) co_return;
    co_await hear(page);
    after = page.next_after;
    // One that could not be written down must come again, and with it all that came later.
    if (!hear_job_.trouble.empty()) continue;
    co_await parts_.database.run([&](Connection& connection) {
      Session session(connection);
      advance_withdrawals(session, after);
      session.commit();
    });
  }
}

boost::asio::awaitable<void> ConsentJobs::hear(const WithdrawalPage& page) {
  const pki::Time now = parts_.clock();
  for (const AuthorityWithdrawal& withdrawal : page.withdrawals) {
    try {
      const bool has_ended = co_await parts_.database.run([&](Connection& connection) {
        Session session(connection);
        const bool out = apply_withdrawal(session, withdrawal, now);
        session.commit();
        return out;
      });
      figures_.withdrawals_heard += has_ended ? 1U : 0U;
    } catch (const DatabaseUnavailable&) {
      throw;
    } catch (const boost::system::system_error&) {
      throw;
    } catch (const std::exception& error) {
      hear_job_.trouble = fmt::format("withdrawal {}: {}", withdrawal.sequence, error.what());
    }
  }
}

bool ConsentJobs::is_borne_out(pki::Time now) const {
  return are_lists_in_force(*parts_.snapshot(), now);
}

boost::asio::awaitable<void> ConsentJobs::expire() {
  const pki::Time now = parts_.clock();
  const auto end = [this, now](Session& session, const ConsentName& name,
                               const ConsentEnding& ending) {
    if (!end_consent_by_name(session, name, ending, "platform", now)) return false;
    session.commit();
    ++figures_.ended;
    return true;
  };
  const Find over = [](Session& session) { return consents_of_ended_services(session, kBatch); };
  const Treat discontinue = [&](Session& session, const ConsentName& name) {
    return end(session, name,
               {ConsentStatus::withdrawn,
                {"institution", "service_discontinued", now},
                ConsentEnding::Relay::yes});
  };
  co_await each(expire_job_, over, discontinue);
  if (!is_borne_out(now)) co_return;

  const Find past = [now](Session& session) { return consents_past_term(session, now, kBatch); };
  const Treat expire_one = [&](Session& session, const ConsentName& name) {
    return end(
        session, name,
        {ConsentStatus::expired, {"platform", "validity_ended", now}, ConsentEnding::Relay::no});
  };
  co_await each(expire_job_, past, expire_one);

  const Find unconfirmed = [&](Session& session) {
    return consents_unconfirmed(session, now - parts_.consent.confirmation_timeout, kBatch);
  };
  const Treat reject = [this, now](Session& session, const ConsentName& name) {
    if (!reject_unconfirmed(session, name, now)) return false;
    ++figures_.ended;
    return true;
  };
  co_await each(expire_job_, unconfirmed, reject);
}

// By expiry_notice before a term or the last token ends; and where no key verifies the last token.
boost::asio::awaitable<void> ConsentJobs::remind() {
  const pki::Time now = parts_.clock();
  if (!is_borne_out(now)) co_return;
  const pki::Time until = now + parts_.consent.expiry_notice;
  const Treat tell_token = [&](Session& session, const ConsentName& name) {
    const auto locked = lock_consent(session, name.institution_id, name.consent_id);
    if (!locked) return false;
    const bool is_needed = mark_tokens_told(session, locked->consent, until) &&
                           locked->consent.status == ConsentStatus::active;
    if (is_needed) {
      put_consent_event(session, locked->consent, EventType::token_reissue_needed, now);
    }
    session.commit();
    figures_.reminders += is_needed ? 1U : 0U;
    return true;
  };
  const auto keys = co_await parts_.database.run([](Connection& connection) {
    Session session(connection);
    return token_key_states(session);
  });
  for (const TokenKeyState& key : keys) {
    if (!key.retired_at) continue;
    const Find signed_by_it = [&](Session& session) {
      return tokens_of_key(session, key.key_id, kBatch);
    };
    co_await each(remind_job_, signed_by_it, tell_token);
  }
  const Find tokens = [until](Session& session) { return tokens_ending(session, until, kBatch); };
  co_await each(remind_job_, tokens, tell_token);

  const Find terms = [until](Session& session) { return consents_ending(session, until, kBatch); };
  const Treat tell_term = [&](Session& session, const ConsentName& name) {
    const auto locked = lock_consent(session, name.institution_id, name.consent_id);
    if (!locked || locked->consent.status != ConsentStatus::active ||
        !mark_expiry_told(session, locked->consent)) {
      return false;
    }
    put_consent_event(session, locked->consent, EventType::consent_expiring, now);
    session.commit();
    ++figures_.reminders;
    return true;
  };
  co_await each(remind_job_, terms, tell_term);
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
  for (const Job* const job : {&relay_job_, &hear_job_, &expire_job_, &remind_job_, &tidy_job_}) {
    job->figures.describe(text);
  }
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
