// ConsentService::register_consent: from signed evidence to a consent at the authority.
#include <fmt/format.h>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

#include "server/platform/attributes.hpp"
#include "server/platform/consent_service.hpp"
#include "server/platform/consent_view.hpp"
#include "server/platform/problem.hpp"
#include "server/store/ids.hpp"
#include "server/store/watching.hpp"

namespace server {
namespace {

// A registration that nobody waits for any more is looked at again after so long.
constexpr std::chrono::seconds kFirstRelay{60};
// How long to wait for the lists that detection works with already.
constexpr int kBehindAttempts = 20;
constexpr std::chrono::milliseconds kBehindPause{100};

[[noreturn]] void throw_rejected(const Answer& answer) {
  const auto& reason = answer.body.at("status_reason");
  throw Problem(ProblemKind::consent_rejected, reason.at("code").get<std::string>());
}

}  // namespace

boost::asio::awaitable<Answer> ConsentService::register_consent(Asker asker,
                                                                NewConsentRequest request,
                                                                IdempotentRequest idempotent,
                                                                pki::Time now) {
  // An answer that was given once is given again, though its evidence is older now.
  const auto earlier = co_await parts_.database.run([&](Connection& connection) {
    Session session(connection, asker.institution_id);
    std::optional<Answer> found;
    const auto claim = claim_or_refuse(session, idempotent, {}, now);
    if (claim.state == IdempotencyClaim::State::done) {
      found = kept_answer(session, parts_.keys, idempotent, claim);
    }
    return found;  // rolled back: nothing was claimed
  });
  if (earlier && earlier->status == 403) throw_rejected(*earlier);
  if (earlier) co_return *earlier;

  const auto snapshot = parts_.snapshot();
  const CheckedEvidence evidence =
      evidence_.check(request.evidence, request.agreement, *snapshot, now);
  const Registered registered = co_await keep_pending(asker, request, evidence, idempotent, now);
  if (registered.replay) {
    if (registered.replay->status == 403) throw_rejected(*registered.replay);
    co_return *registered.replay;
  }
  const WaitingCaller caller{asker.thumbprint, asker.certificate_end, idempotent};
  const Answer answer =
      co_await relay_.register_at_authority(asker.institution_id, registered.consent_id, caller);
  if (answer.status == 403) throw_rejected(answer);
  co_return answer;
}

boost::asio::awaitable<ConsentService::Registered> ConsentService::keep_pending(
    const Asker& asker, const NewConsentRequest& request, const CheckedEvidence& evidence,
    const IdempotentRequest& idempotent, pki::Time now) {
  boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor);
  for (int attempt = 0; attempt < kBehindAttempts; ++attempt) {
    bool is_behind = false;
    try {
      co_return co_await parts_.database.run([&](Connection& connection) {
        Session session(connection, asker.institution_id);
        Registered out = insert_pending(session, asker, request, evidence, idempotent, now);
        session.commit();
        return out;
      });
    } catch (const IssuerBehind&) {
      is_behind = true;
    }
    if (is_behind) {
      timer.expires_after(kBehindPause);
      co_await timer.async_wait(boost::asio::use_awaitable);
    }
  }
  throw Problem(ProblemKind::status_stale).retry_after(std::chrono::seconds{5});
}

// The person as this institution knows them: by this certificate or the one that it follows; else
// they are new. Returns the ids of subject and certificate; the subject's row is locked.
std::pair<std::string, std::string> ConsentService::subject_of(Session& session,
                                                               const CheckedEvidence& evidence,
                                                               const std::string& service,
                                                               pki::Time now) const {
  const std::string& institution_id = session.institution_id();
  const auto snapshot = parts_.snapshot();
  const CheckedStatus checked = check_for_watch(
      session, evidence.watched, snapshot->issuers.at(evidence.issuer), evidence.serial.reveal());
  if (checked.status.status != CertificateStatus::good) {
    throw Problem(ProblemKind::evidence_certificate_revoked);
  }
  const auto known = find_certificate(session, parts_.keys, institution_id,
                                      evidence.watched.key_hash, evidence.serial.reveal());
  if (!known) {
    NewCertificate certificate;
    certificate.institution_id = institution_id;
    certificate.subject_id = make_id(kSubjectId);
    certificate.issuer = evidence.watched.key_hash;
    certificate.serial = evidence.serial.reveal();
    certificate.not_after = evidence.not_after;
    certificate.status = checked.status;
    certificate.checked_generation = checked.generation;
    const auto id = add_watched_certificate(session, parts_.keys, certificate, now);
    // Somebody registered it since we looked: do it all again.
    if (!id) throw Conflict("a certificate was registered twice at once", "40001");
    add_subject(session, {institution_id, certificate.subject_id, *id}, now);
    return {certificate.subject_id, *id};
  }
  const std::string subject_id =
      subject_of_service(session, institution_id, known->certificate_id, service)
          .value_or(known->subject_id);
  auto subject = lock_subject(session, institution_id, subject_id);
  if (!subject) {
    throw std::runtime_error(fmt::format("the subject {} of the certificate {} is not there",
                                         subject_id, known->certificate_id));
  }
  set_certificate_end(session, institution_id, known->certificate_id, evidence.not_after,
                      checked.generation);
  // Who shows a good certificate after another one lapsed has shown the items in it, too.
  if (subject->state != "unchanged" && subject->state != "delivered") {
    subject->state = "unchanged";
    subject->state_at = now;
    subject->known_certificate = known->certificate_id;
    subject->watched_certificate = known->certificate_id;
    update_subject(session, *subject, SubjectVersion::keep);
  }
  return {subject_id, known->certificate_id};
}

ConsentService::Registered ConsentService::insert_pending(Session& session, const Asker& asker,
                                                          const NewConsentRequest& request,
                                                          const CheckedEvidence& evidence,
                                                          const IdempotentRequest& idempotent,
                                                          pki::Time now) const {
  Consent consent;
  consent.institution_id = asker.institution_id;
  consent.consent_id = make_id(kConsentId);
  const auto claim = claim_or_refuse(session, idempotent, consent.consent_id, now);
  if (claim.state == IdempotencyClaim::State::done) {
    return {kept_answer(session, parts_.keys, idempotent, claim), {}};
  }
  // Who began it has died: the consent is there, and only the authority's word is missing.
  if (claim.state == IdempotencyClaim::State::taken_over) return {std::nullopt, claim.object_id};
  if (!is_service_active(session, asker.institution_id, request.agreement.service)) {
    throw Problem(ProblemKind::service_unknown);
  }
  std::tie(consent.subject_id, consent.signed_with) =
      subject_of(session, evidence, request.agreement.service, now);
  consent.service_id = request.agreement.service;
  for (const AttributeName& one : kAttributes) {
    for (const std::string& scope : request.agreement.scopes) {
      if (scope == one.scope) consent.scopes.push_back(scope);
    }
  }
  consent.purpose = request.agreement.purpose;
  consent.notice_version = request.agreement.notice.version;
  consent.notice_language = request.agreement.notice.language.value_or("ja");
  consent.notice_sha256 = request.agreement.notice.sha256;
  consent.channel = request.channel;
  if (request.customer_ref) {
    consent.customer_ref_sealed =
        parts_.keys.seal_for(session, asker.institution_id, customer_ref_place(consent.consent_id),
                             pki::as_bytes(request.customer_ref->reveal()));
  }
  consent.evidence_format = request.evidence.format;
  consent.consented_at = request.agreement.consented_at;
  consent.received_at = now;
  consent.relay_at = now + kFirstRelay;
  try {
    insert_consent(session, consent, {evidence.evidence_sha256, evidence.nonce_sha256}, now);
  } catch (const AlreadyThere&) {
    throw Problem(ProblemKind::evidence_replayed);
  }
  append_audit(session, now, audit_of(consent, asker.actor(), "consent.registered"));
  return {std::nullopt, consent.consent_id};
}

}  // namespace server
