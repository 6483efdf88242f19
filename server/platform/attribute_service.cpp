#include "server/platform/attribute_service.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

#include "libpki/crypto.hpp"
#include "server/log.hpp"
#include "server/platform/claims.hpp"
#include "server/platform/problem.hpp"
#include "server/store/watching.hpp"

namespace server {
namespace {

// How long the paid answer waits for our lists to catch up with detection.
constexpr int kBehindAttempts = 10;
constexpr std::chrono::milliseconds kBehindPause{100};

Problem unavailable(const AuthorityUnavailable& trouble) {
  Problem problem(ProblemKind::authority_unavailable);
  problem.retry_after(std::max(std::chrono::seconds{1},
                               std::chrono::ceil<std::chrono::seconds>(trouble.retry_after())));
  return problem;
}

// The same body with another person's token is another request; with a new token for the same
// consent it is the same one.
IdempotentRequest about(const IdempotentRequest& request, const std::string& consent_id) {
  std::vector<std::uint8_t> whole = request.sha256;
  whole.insert(whole.end(), consent_id.begin(), consent_id.end());
  const pki::Digest digest = pki::digest(pki::DigestAlgorithm::sha256, whole);
  return {request.key, {digest.bytes().begin(), digest.bytes().end()}};
}

}  // namespace

template <class Work>
auto AttributeService::transact(Connection& connection, const AttributeQuery& query,
                                const Work& work) const {
  const auto attempt = [&](Way way) {
    Session session(connection, query.asker.institution_id);
    auto out = work(session, way);
    session.commit();
    return out;
  };
  try {
    return attempt(Way::free);
  } catch (const AlreadyThere&) {
  } catch (const NotAsRequired&) {
  } catch (const IssuerBehind&) {  // by a position that may have been left behind itself
  }
  try {
    return attempt(Way::unknown);
  } catch (const NotAsRequired&) {
    // Somebody has ended the disclosure meanwhile: a retry with the same key, or who took us for
    // dead. The same key goes on with it.
    throw Problem(ProblemKind::idempotency_in_progress).retry_after(std::chrono::seconds{1});
  }
}

boost::asio::awaitable<Answer> AttributeService::query(AttributeQuery query) {
  co_return co_await run(std::move(query), nullptr);
}

boost::asio::awaitable<void> AttributeService::bind_key(std::string institution_id,
                                                        IdempotentRequest request, pki::Time now) {
  co_await parts_.database.run([&](Connection& connection) {
    Session session(connection, institution_id);
    const auto claim = claim_or_refuse(session, request, "batch", now);
    if (claim.state == IdempotencyClaim::State::done) return;
    keep_answer(session, parts_.keys, request, {});
    session.commit();
  });
}

boost::asio::awaitable<Answer> AttributeService::match(AttributeQuery query, Compare compare) {
  if (!parts_.consent.match) throw Problem(ProblemKind::match_not_enabled);
  co_return co_await run(std::move(query), &compare);
}

boost::asio::awaitable<Answer> AttributeService::run(AttributeQuery query, const Compare* compare) {
  const auto keys = co_await tokens_.keys();
  const auto claims = tokens_.verify_token(*keys, query.token, query.asker.institution_id,
                                           query.asker.thumbprint, query.now);
  query.idempotent = about(query.idempotent, claims.consent_id);
  const Begun begun = co_await parts_.database.run([&](Connection& connection) {
    return transact(connection, query, [&](Session& session, Way way) {
      return begin(session, query, claims, compare != nullptr ? "match" : "query", way);
    });
  });
  if (begun.answer) co_return *begun.answer;

  std::optional<InformationAnswer> reply;
  std::optional<Problem> trouble;
  try {
    reply = co_await parts_.information().ask(begun.question);
  } catch (const AuthorityUnavailable& error) {
    log(Level::warning, "authority_unavailable",
        {{"disclosure", begun.disclosure.disclosure_id}, {"error", error.what()}});
    trouble = unavailable(error);
  }
  if (trouble) {
    co_await put_off(query, begun.disclosure);
    throw Problem(*trouble);
  }
  Heard heard{*std::move(reply), nlohmann::ordered_json::object()};
  if (const auto* provided = std::get_if<ProvidedInformation>(&heard.reply)) {
    heard.members = given_members(begun, *provided, compare);
  }
  Ended ended = co_await end_patiently(query, begun, heard);
  if (ended.problem) throw Problem(*ended.problem);
  co_return std::move(ended.answer);
}

nlohmann::ordered_json AttributeService::given_members(const Begun& begun,
                                                       const ProvidedInformation& provided,
                                                       const Compare* compare) const {
  nlohmann::ordered_json out;
  if (compare != nullptr) {
    out["results"] = (*compare)(provided.items);
  } else {
    out["verified_claims"] =
        verified_claims(provided, {parts_.base_url, begun.disclosure.disclosure_id});
  }
  out["not_provided"] = not_consented(begun.not_provided);
  for (const InformationItem item : missing_items(provided.items, begun.question.items)) {
    out["not_provided"].push_back(
        {{"attribute", kAttributes[static_cast<std::size_t>(item)].attribute},
         {"reason", "not_available"}});
  }
  return out;
}

// Transaction 2, again and again while our lists are behind those that detection works with. The
// answer is paid for: in the end it is given without following the newer certificate, and whoever
// asks next finds it.
boost::asio::awaitable<AttributeService::Ended> AttributeService::end_patiently(
    const AttributeQuery& query, const Begun& begun, const Heard& heard) {
  boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor);
  for (int attempt = 0;; ++attempt) {
    const Follow follow = attempt < kBehindAttempts ? Follow::yes : Follow::no;
    try {
      const pki::Time now = parts_.clock();
      co_return co_await parts_.database.run([&](Connection& connection) {
        return transact(connection, query, [&](Session& session, Way way) {
          return end(session, query, begun, heard, follow, now, way);
        });
      });
    } catch (const IssuerBehind&) {
      if (follow == Follow::no) throw;
    }
    timer.expires_after(kBehindPause);
    co_await timer.async_wait(boost::asio::use_awaitable);
  }
}

// The authority did not answer, and may have heard the question: the same key goes on with it, at
// once. Another key asks another question.
boost::asio::awaitable<void> AttributeService::put_off(const AttributeQuery& query,
                                                       const Disclosure& disclosure) {
  co_await parts_.database.run([&](Connection& connection) {
    Session session(connection, query.asker.institution_id);
    abandon_disclosure(session, {query.asker.institution_id, disclosure.disclosure_id}, query.now);
    put_off_idempotency(session, query.idempotent,
                        query.now - kRequestAbandoned - std::chrono::seconds{1});
    session.commit();
  });
}

}  // namespace server
