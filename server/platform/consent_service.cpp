#include "server/platform/consent_service.hpp"

#include <fmt/format.h>

#include "libpki/japan_time.hpp"
#include "server/platform/consent_view.hpp"
#include "server/platform/page_token.hpp"
#include "server/platform/problem.hpp"
#include "server/platform/problem_body.hpp"
#include "server/store/ids.hpp"

namespace server {
namespace {

// With what the institution says of how it was asked.
AuditEntry audit_of_withdrawal(const Consent& consent, const std::string& actor,
                               const WithdrawalRequest& request) {
  AuditEntry out = audit_of(consent, actor, "consent.withdrawn");
  auto detail = nlohmann::ordered_json::parse(out.detail);
  if (request.channel) detail["channel"] = *request.channel;
  if (request.requested_at) detail["requested_at"] = pki::time_to_rfc3339(*request.requested_at);
  out.detail = detail.dump();
  return out;
}

}  // namespace

void require_active(const Consent& consent) {
  switch (consent.status) {
    case ConsentStatus::active: return;
    case ConsentStatus::pending: throw Problem(ProblemKind::consent_pending);
    case ConsentStatus::withdrawn: throw Problem(ProblemKind::consent_withdrawn);
    case ConsentStatus::expired: throw Problem(ProblemKind::consent_expired);
    case ConsentStatus::superseded: throw Problem(ProblemKind::consent_superseded);
    case ConsentStatus::rejected: throw Problem(ProblemKind::consent_rejected);
  }
}

ConsentService::ConsentService(const PlatformParts& parts, TokenService& tokens,
                               EvidenceChecker::ReadDocument read_document, HeadCursor head_cursor)
    : parts_(parts),
      tokens_(tokens),
      relay_(parts, tokens),
      evidence_(parts.issuers, parts.consent.evidence_window, std::move(read_document)),
      head_cursor_(std::move(head_cursor)) {}

boost::asio::awaitable<nlohmann::ordered_json> ConsentService::get(std::string institution_id,
                                                                   std::string consent_id) {
  if (!is_id(consent_id, kConsentId)) throw Problem(ProblemKind::not_found);
  co_return co_await parts_.database.run([&](Connection& connection) {
    Session session(connection, institution_id);
    const auto consent = find_consent(session, institution_id, consent_id);
    if (!consent) throw Problem(ProblemKind::not_found);
    return consent_json(session, parts_.keys, *consent);
  });
}

boost::asio::awaitable<ConsentPage> ConsentService::list(std::string institution_id,
                                                         std::optional<ConsentStatus> status,
                                                         std::uint32_t limit,
                                                         std::string page_token) {
  co_return co_await parts_.database.run([&](Connection& connection) {
    Session session(connection, institution_id);
    const SecretKey key = parts_.keys.cursor_key(session);
    const std::string name =
        fmt::format("consents {}", status ? to_string(*status) : std::string_view("all"));
    ConsentPage page;
    std::string after;
    if (page_token.empty()) {
      // Before the read: what changes from here on is on the feed behind this cursor.
      page.resume_cursor = head_cursor_(session);
    } else {
      after = read_page_token(key, name, institution_id, page_token);
    }
    const auto found = list_consents(session, institution_id, status, after, limit + 1);
    for (const Consent& consent : found) {
      if (page.consents.size() == limit) {
        page.next_page_token =
            make_page_token(key, name, institution_id, found[limit - 1].consent_id);
        break;
      }
      page.consents.push_back(consent_json(session, parts_.keys, consent));
    }
    return page;
  });
}

boost::asio::awaitable<nlohmann::ordered_json> ConsentService::withdraw(
    Asker asker, std::string consent_id, WithdrawalRequest request, IdempotentRequest idempotent,
    pki::Time now) {
  if (!is_id(consent_id, kConsentId)) throw Problem(ProblemKind::not_found);
  co_return co_await parts_.database.run([&](Connection& connection) {
    Session session(connection, asker.institution_id);
    const auto claim = claim_or_refuse(session, idempotent, consent_id, now);
    if (claim.state == IdempotencyClaim::State::done) {
      return kept_answer(session, parts_.keys, idempotent, claim).body;
    }
    auto locked = lock_consent(session, asker.institution_id, consent_id);
    if (!locked) throw Problem(ProblemKind::not_found);
    Consent& consent = locked->consent;
    const bool is_over =
        consent.status != ConsentStatus::pending && consent.status != ConsentStatus::active;
    if (!is_over && request.if_version && *request.if_version != consent.version) {
      throw Problem(ProblemKind::version_mismatch);
    }
    const char* initiator =
        request.reason.starts_with("withdrawn_by_subject") ? "subject" : "institution";
    const bool has_ended = end_locked_consent(
        session, consent,
        {ConsentStatus::withdrawn, {initiator, request.reason, now}, ConsentEnding::Relay::yes},
        now);
    auto view = consent_json(session, parts_.keys, consent);
    keep_answer(session, parts_.keys, idempotent, {200, view});
    if (has_ended) append_audit(session, now, audit_of_withdrawal(consent, asker.actor(), request));
    session.commit();
    return view;
  });
}

// One token, or its Problem. The consent's row is shared, so it is active when the token is there.
nlohmann::ordered_json ConsentService::issue_one(Session& session, const std::string& consent_id,
                                                 const TokenRequest& request, const Asker& asker,
                                                 pki::Signer& signer, const TokenKeySet& keys,
                                                 pki::Time now) const {
  const auto consent = find_consent(session, asker.institution_id, consent_id, RowLock::share);
  if (!consent) throw Problem(ProblemKind::not_found);
  require_active(*consent);
  const Thumbprint holder = request.thumbprint.value_or(asker.thumbprint);
  const auto end = client_certificate_end(session, holder);
  if (!end || *end <= now) {
    throw Problem(ProblemKind::invalid_request, "no active certificate of yours",
                  {{"/certificate_thumbprint", "unknown_certificate",
                    "the institution has no active certificate of that thumbprint"}});
  }
  if (request.earlier == TokenRequest::Earlier::revoke) {
    revoke_tokens(session, asker.institution_id, consent_id, now);
  }
  const IssuedToken token = tokens_.issue(session, signer, keys, *consent, holder, *end, now);
  return {{"consent_id", consent_id},
          {"token", token.token},
          {"token_expires_at", pki::time_to_rfc3339(token.expires_at)}};
}

boost::asio::awaitable<Answer> ConsentService::new_token(Asker asker, std::string consent_id,
                                                         TokenRequest request,
                                                         IdempotentRequest idempotent,
                                                         pki::Time now) {
  if (!is_id(consent_id, kConsentId)) throw Problem(ProblemKind::not_found);
  const auto keys = co_await tokens_.keys();
  co_return co_await parts_.database.run([&](Connection& connection) {
    Session session(connection, asker.institution_id);
    const auto claim = claim_or_refuse(session, idempotent, consent_id, now);
    if (claim.state == IdempotencyClaim::State::done) {
      return kept_answer(session, parts_.keys, idempotent, claim);
    }
    pki::Signer signer = keys->signer.clone();
    const Answer answer{201, issue_one(session, consent_id, request, asker, signer, *keys, now)};
    keep_answer(session, parts_.keys, idempotent, answer);
    append_audit(session, now, {asker.actor(), "token.issued", consent_id, "{}"});
    session.commit();
    return answer;
  });
}

boost::asio::awaitable<Answer> ConsentService::reissue(Asker asker,
                                                       std::vector<std::string> consent_ids,
                                                       TokenRequest request,
                                                       IdempotentRequest idempotent,
                                                       pki::Time now) {
  const auto keys = co_await tokens_.keys();
  co_return co_await parts_.database.run([&](Connection& connection) {
    Session session(connection, asker.institution_id);
    const auto claim = claim_or_refuse(session, idempotent, asker.institution_id, now);
    if (claim.state == IdempotencyClaim::State::done) {
      return kept_answer(session, parts_.keys, idempotent, claim);
    }
    pki::Signer signer = keys->signer.clone();
    Answer answer{200, {{"results", nlohmann::ordered_json::array()}}};
    std::size_t issued = 0;
    for (const std::string& consent_id : consent_ids) {
      try {
        answer.body["results"].push_back(
            issue_one(session, consent_id, request, asker, signer, *keys, now));
        ++issued;
      } catch (const Problem& problem) {
        if (problem.kind() == ProblemKind::invalid_request) throw;
        answer.body["results"].push_back(
            {{"consent_id", consent_id}, {"problem", problem_json(problem, parts_.base_url, {})}});
      }
    }
    keep_answer(session, parts_.keys, idempotent, answer);
    append_audit(session, now,
                 {asker.actor(), "tokens.reissued", asker.institution_id,
                  fmt::format("{{\"issued\":{},\"asked\":{}}}", issued, consent_ids.size())});
    session.commit();
    return answer;
  });
}

}  // namespace server
