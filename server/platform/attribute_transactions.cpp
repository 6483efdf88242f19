// The two transactions of a query (attribute_service.hpp).
#include <fmt/format.h>

#include <algorithm>

#include "libpki/japan_time.hpp"
#include "server/log.hpp"
#include "server/platform/attribute_service.hpp"
#include "server/platform/claims.hpp"
#include "server/platform/problem.hpp"
#include "server/store/ids.hpp"
#include "server/store/watching.hpp"

namespace server {
namespace {

bool holds(const std::vector<std::string>& all, std::string_view one) {
  return std::ranges::find(all, one) != all.end();
}

bool holds_word(std::string_view words, std::string_view one) {
  for (std::size_t at = 0; at <= words.size();) {
    const std::size_t end = std::min(words.find(' ', at), words.size());
    if (words.substr(at, end - at) == one) return true;
    at = end + 1;
  }
  return false;
}

constexpr std::chrono::seconds kPermissionAge{1};  // after which it is looked at again

std::string day_of(pki::Time now) {
  const std::chrono::year_month_day date = pki::japanese_date(now);
  return fmt::format("{:04}-{:02}-{:02}", int{date.year()}, unsigned{date.month()},
                     unsigned{date.day()});
}

nlohmann::ordered_json base_of(const Disclosure& disclosure) {
  return {{"disclosure_id", disclosure.disclosure_id},
          {"outcome", disclosure.outcome},
          {"consent_id", disclosure.consent_id},
          {"sub", disclosure.subject_id},
          {"billable", disclosure.billable}};
}

AuditEntry audit_of(const Disclosure& disclosure, const std::string& actor,
                    const std::string& verb) {
  const nlohmann::ordered_json detail = {{"consent", disclosure.consent_id},
                                         {"kind", disclosure.kind},
                                         {"attributes", disclosure.attributes},
                                         {"outcome", disclosure.outcome},
                                         {"yen", disclosure.yen}};
  return {actor, verb, disclosure.disclosure_id, detail.dump()};
}

void enter(Subject& subject, const char* state, pki::Time now) {
  subject.state = state;
  subject.state_at = now;
}

// That it entered its state.
Event event_of(const Subject& subject, EventType type) {
  Event event;
  event.type = type;
  event.subject_id = subject.subject_id;
  event.occurred_at = subject.state_at;
  event.members = {{"subject_version", subject.version}, {"state", subject.state}};
  return event;
}

// These attributes of that certificate were given. Once all have been, it is the one that is known.
void note_given(Consent& consent, const std::string& certificate_id,
                const std::vector<std::string>& attributes) {
  if (consent.newer_certificate != certificate_id) consent.newer_items.clear();
  consent.newer_certificate = certificate_id;
  for (const std::string& attribute : attributes) {
    if (!holds(consent.newer_items, attribute)) consent.newer_items.push_back(attribute);
  }
  if (consent.newer_items.size() < consent.scopes.size()) return;
  consent.known_certificate = certificate_id;
  consent.newer_certificate.reset();
  consent.newer_items.clear();
}

// The certificate that is watched now has lapsed, too. All consents of the person hear of it.
void await_another(Session& session, const std::string& institution_id, Subject& subject,
                   pki::Time now) {
  enter(subject, "awaiting_certificate", now);
  update_subject(session, subject, SubjectVersion::raise);
  Event event = event_of(subject, EventType::subject_update_pending);
  for (const std::string& consent_id :
       active_consents_of(session, institution_id, subject.subject_id)) {
    event.consent_id = consent_id;
    put_event(session, event);
  }
}

}  // namespace

// The database's part of the token, and the consent. The row stays shared until the commit: a
// withdrawal waits for that, or is seen here. Comparisons take turns, so that they can be counted.
QueryGrounds AttributeService::check_consent(Session& session,
                                             const pki::ConsentTokenClaims& claims,
                                             const std::string& kind, pki::Time now) const {
  auto grounds = find_grounds(session, claims.consent_id, claims.token_id,
                              kind == "match" ? ConsentLock::alone : ConsentLock::shared);
  if (!grounds || !grounds->token || grounds->token->consent_id != claims.consent_id ||
      grounds->locked.consent.subject_id != claims.subject) {
    throw Problem(ProblemKind::token_invalid);
  }
  const Consent& consent = grounds->locked.consent;
  // Its tokens are revoked, too; but this tells the institution what to do.
  require_active(consent);
  if (grounds->token->is_revoked ||
      static_cast<std::int64_t>(claims.consent_version) < consent.version) {
    throw Problem(ProblemKind::token_invalid);
  }
  if (now > consent.valid_until) throw Problem(ProblemKind::consent_expired);
  if (parts_.consent.usable == UsableFrom::day_after && now < consent.valid_from) {
    throw Problem(ProblemKind::consent_not_yet_valid);
  }
  // Its consents are about to end, a batch at a time.
  if (!grounds->is_service_active) throw Problem(ProblemKind::service_unknown);
  return std::move(*grounds);
}

// One question about a consent at a time: each may cost, and the next may be answered by this one.
IdempotencyClaim AttributeService::start_disclosure(Session& session, Disclosure& disclosure,
                                                    const IdempotentRequest& request,
                                                    Way way) const {
  using State = IdempotencyClaim::State;
  if (way == Way::free) {
    open_disclosure(session, disclosure, request);
    return {State::fresh, disclosure.disclosure_id, 0, {}};
  }
  const auto claim =
      claim_or_refuse(session, request, disclosure.disclosure_id, disclosure.started_at);
  if (claim.state == State::done) return claim;
  disclosure.disclosure_id = claim.object_id;
  // Who began another one has died, if it takes that long.
  abandon_disclosures(session, disclosure, disclosure.started_at - kRequestAbandoned);
  const bool is_alone = claim.state == State::taken_over ? reopen_disclosure(session, disclosure)
                                                         : insert_disclosure(session, disclosure);
  if (!is_alone) throw Problem(ProblemKind::query_in_progress).retry_after(std::chrono::seconds{1});
  return claim;
}

AttributeService::Begun AttributeService::begin(Session& session, const AttributeQuery& query,
                                                const pki::ConsentTokenClaims& claims,
                                                const std::string& kind, Way way) const {
  Begun out;
  out.grounds = check_consent(session, claims, kind, query.now);
  const QueryGrounds& grounds = out.grounds;
  const auto& [subject, consent] = grounds.locked;
  Disclosure& disclosure = out.disclosure;
  for (const AttributeName& one : kAttributes) {
    if (!holds(query.attributes, one.attribute)) continue;
    if (holds(consent.scopes, one.scope) && holds_word(claims.scope, one.scope)) {
      disclosure.attributes.emplace_back(one.attribute);
      out.question.items.push_back(one.item);
    } else {
      out.not_provided.emplace_back(one.attribute);
    }
  }
  if (disclosure.attributes.empty()) throw Problem(ProblemKind::scope_not_granted);
  disclosure.disclosure_id = make_id(kDisclosureId);
  disclosure.consent_id = consent.consent_id;
  disclosure.subject_id = consent.subject_id;
  disclosure.subject_version = subject.version;
  disclosure.kind = kind;
  disclosure.purpose = query.purpose;
  disclosure.thumbprint = query.asker.thumbprint;
  disclosure.started_at = query.now;
  disclosure.asked_with = consent.known_certificate;

  const auto claim = start_disclosure(session, disclosure, query.idempotent, way);
  if (claim.state == IdempotencyClaim::State::done) {
    out.answer = kept_answer(session, parts_.keys, query.idempotent, claim);
    append_audit(session, query.now,
                 {query.asker.actor(), "disclosure.repeated", claim.object_id, "{}"});
    return out;
  }
  // Begun anew, too: one that failed told nothing.
  if (kind == "match" &&
      count_matches(session, consent.consent_id, subject.version) > kMatchesMax) {
    throw Problem(ProblemKind::match_budget_exhausted);
  }
  // All of it was given, and nothing lapsed since: the authority would say the same.
  const bool is_at_rest = subject.state == "unchanged" || subject.state == "delivered";
  const bool has_all =
      consent.known_certificate == subject.watched_certificate ||
      (consent.newer_certificate == subject.watched_certificate &&
       std::ranges::all_of(disclosure.attributes, [&](const std::string& attribute) {
         return holds(consent.newer_items, attribute);
       }));
  if (kind == "query" && is_at_rest && has_all && query.ask == AttributeQuery::Ask::if_needed) {
    out.answer = answer_unasked(session, query, disclosure, out.not_provided);
    return out;
  }
  const auto named =
      grounds.known_certificate && disclosure.asked_with == consent.known_certificate
          ? grounds.known_certificate
          : find_certificate_name(session, consent.institution_id, disclosure.asked_with);
  if (!named) {
    throw std::runtime_error(fmt::format("consent {} names a certificate that is not there: {}",
                                         consent.consent_id, disclosure.asked_with));
  }
  out.question.request_id = disclosure.disclosure_id;
  out.question.authority_consent_id = consent.authority_consent.value();
  out.question.certificate.issuer_key_hash = named->issuer_key_hash;
  out.question.certificate.serial = Redacted(parts_.keys.open_for(
      session, consent.institution_id, serial_place(disclosure.asked_with), named->serial_sealed));
  return out;
}

Answer AttributeService::answer_unasked(Session& session, const AttributeQuery& query,
                                        Disclosure& disclosure,
                                        const std::vector<std::string>& not_provided) const {
  disclosure.state = "completed";
  disclosure.outcome = "no_newer_information";
  Answer answer{200, base_of(disclosure)};
  answer.body["not_provided"] = not_consented(not_provided);
  complete(session, query, disclosure, answer, query.now);
  return answer;
}

// Whoever is second with the same key finds it ended: nothing of what was done for that one stays,
// and transact() says so.
void AttributeService::complete(Session& session, const AttributeQuery& query,
                                const Disclosure& disclosure, const Answer& answer,
                                pki::Time now) const {
  close_disclosure(session,
                   {.disclosure = disclosure,
                    .request = query.idempotent,
                    .kept = KeptAnswer{answer.status,
                                       seal_answer(session, parts_.keys, query.idempotent, answer)},
                    .usage = {day_of(now), disclosure.outcome, query.purpose, 1, disclosure.yen},
                    .audit = audit_of(disclosure, query.asker.actor(), "disclosure.completed")},
                   now);
}

// Most often nothing has changed since the question was asked.
AnswerGrounds AttributeService::answer_grounds(Session& session, const Begun& begun,
                                               const std::optional<IssuerKeyHash>& issuer,
                                               Way way) const {
  if (way == Way::free && !issuer) {
    expect_answer_grounds(session, begun.grounds);
    return {begun.grounds.locked, std::nullopt};
  }
  if (way == Way::free) {
    if (const auto position = positions_.find(*issuer)) {
      expect_answer_grounds(session, begun.grounds, *issuer, *position);
      return {begun.grounds.locked, position};
    }
  }
  const std::string& consent_id = begun.disclosure.consent_id;
  auto grounds = lock_answer_grounds(session, consent_id, issuer);
  if (!grounds) {
    throw std::runtime_error(
        fmt::format("consent {} was asked about, and is not there", consent_id));
  }
  if (grounds->position) positions_.keep(*issuer, *grounds->position);
  return *std::move(grounds);
}

AttributeService::Ended AttributeService::end(Session& session, const AttributeQuery& query,
                                              const Begun& begun, const Heard& heard, Follow follow,
                                              pki::Time now, Way way) const {
  const auto* provided = std::get_if<ProvidedInformation>(&heard.reply);
  const auto* refusal = std::get_if<AuthorityRefusal>(&heard.reply);
  Disclosure disclosure = begun.disclosure;
  const bool follows = provided != nullptr && disclosure.kind == "query" && follow == Follow::yes;
  std::optional<IssuerKeyHash> issuer;
  if (follows) issuer = provided->newer.certificate.issuer_key_hash;
  auto [locked, position] = answer_grounds(session, begun, issuer, way);
  Consent& consent = locked.consent;
  if (provided) {  // what it cost, it cost, whatever becomes of it
    disclosure.yen = static_cast<std::int32_t>(provided->billable_yen);
    disclosure.billable = disclosure.yen > 0;
  }
  std::optional<AuditEntry> ended;  // the consent, by the authority's word
  const auto close = [&](const char* state, Problem problem) {
    disclosure.state = state;
    close_disclosure(
        session,
        {.disclosure = disclosure,
         .request = query.idempotent,
         .kept = std::nullopt,
         .usage = {day_of(now), fmt::format("{}_paid", state), query.purpose,
                   disclosure.yen > 0 ? 1 : 0, disclosure.yen},
         .audit = audit_of(disclosure, query.asker.actor(), fmt::format("disclosure.{}", state))},
        now);
    if (ended) append_audit(session, now, *ended);
    return Ended{{}, std::move(problem)};
  };
  try {
    if (refusal && (*refusal == AuthorityRefusal::consent_withdrawn ||
                    *refusal == AuthorityRefusal::consent_expired)) {
      if (end_locked_consent(session, consent, ending_by_authority(*refusal, now), now)) {
        ended =
            audit_of(consent, "authority", fmt::format("consent.{}", to_string(consent.status)));
      }
    }
    require_active(consent);
    // If it took its time, the operator may have closed the door.
    if (now - query.now > kPermissionAge && !is_client_active(session, query.asker.thumbprint)) {
      throw Problem(ProblemKind::client_certificate_revoked);
    }
  } catch (const Problem& problem) {
    return close("aborted", problem);
  }
  if (refusal) {
    log(Level::error, "authority_refused",
        {{"disclosure", disclosure.disclosure_id}, {"refusal", to_string(*refusal)}});
    return close("failed", Problem(ProblemKind::internal_error));
  }

  disclosure.state = "completed";
  disclosure.outcome = provided ? "provided"
                       : std::holds_alternative<AwaitingCertificate>(heard.reply)
                           ? "awaiting_certificate"
                           : "no_newer_information";
  if (provided && disclosure.kind == "match") disclosure.outcome = "compared";
  std::vector<AuditEntry> followed;
  if (follows)
    followed = follow_certificate(session, *provided, position, locked, disclosure, now, way);
  Answer answer{200, base_of(disclosure)};
  if (provided) {
    answer.body.update(heard.members);
  } else {
    if (disclosure.outcome == "awaiting_certificate") {
      if (const auto at = next_check(session, locked.subject)) {
        answer.body["next_check_at"] = pki::time_to_rfc3339(*at);
      }
    }
    answer.body["not_provided"] = not_consented(begun.not_provided);
  }
  complete(session, query, disclosure, answer, now);
  for (const AuditEntry& entry : followed) append_audit(session, now, entry);
  return {std::move(answer), std::nullopt};
}

// The institution has the items of the newer certificate now; that one is watched from here on.
// Returns what is to be audited.
std::vector<AuditEntry> AttributeService::follow_certificate(
    Session& session, const ProvidedInformation& provided,
    const std::optional<IssuerPosition>& position, LockedConsent& locked,
    const Disclosure& disclosure, pki::Time now, Way way) const {
  const CertificateName& newer = provided.newer.certificate;
  const auto issuers = parts_.snapshot();
  std::optional<std::size_t> issuer;
  WatchedIssuer watched;
  for (std::size_t i = 0; i < parts_.issuers.issuers.size() && !issuer; ++i) {
    const ServedIssuer& one = parts_.issuers.issuers[i];
    watched = watched_issuer(one.config.name, one.certificate->certificate);
    if (watched.key_hash == newer.issuer_key_hash) issuer = i;
  }
  if (!issuer) {
    log(Level::error, "newer_certificate_of_unknown_issuer",
        {{"disclosure", disclosure.disclosure_id}});
    return {};
  }
  const CheckedStatus checked =
      check_for_watch(position, watched, issuers->issuers.at(*issuer), newer.serial.reveal());
  Subject& subject = locked.subject;
  Consent& consent = locked.consent;
  NewCertificate certificate;
  certificate.institution_id = consent.institution_id;
  certificate.subject_id = subject.subject_id;
  certificate.issuer = newer.issuer_key_hash;
  certificate.serial = newer.serial.reveal();
  certificate.not_after =
      latest_end(parts_.issuers.issuers[*issuer].config, provided.newer.issued_at);
  certificate.status = checked.status;
  certificate.checked_generation = checked.generation;
  // Unless the checks, or another consent of this person, have found a newer one already.
  const bool is_likely_new =
      way == Way::free && subject.watched_certificate == consent.known_certificate;
  const HeldCertificate held =
      is_likely_new ? add_new_certificate(session, parts_.keys, certificate, now)
                    : hold_or_add_certificate(session, parts_.keys, certificate, now);
  const std::string& certificate_id = held.certificate.certificate_id;
  const CertificateStatus status = held.certificate.status;

  const bool is_news =
      consent.known_certificate != certificate_id && consent.newer_certificate != certificate_id;
  note_given(consent, certificate_id, disclosure.attributes);
  const bool is_awaiting = subject.state == "awaiting_certificate" &&
                           subject.watched_certificate == certificate_id && !is_news;
  subject.known_certificate = certificate_id;
  subject.watched_certificate = certificate_id;
  // The other consents of the person got nothing: for them it is still there to be fetched.
  if (is_news) {
    if (subject.state == "awaiting_certificate") end_wait(session, subject);
    enter(subject, "delivered", now);
    ++subject.version;
    set_given(session, consent, subject, event_of(subject, EventType::subject_update_delivered));
  } else {
    set_given(session, consent);
  }
  const bool has_lapsed =
      status == CertificateStatus::revoked || status == CertificateStatus::expired;
  if (has_lapsed && !is_awaiting) await_another(session, consent.institution_id, subject, now);
  // Known already: perhaps as that of a subject which turns out to be the same person.
  if (held.is_new) return {};
  return supersede_replaced(session, consent.institution_id, certificate_id, subject.subject_id,
                            now);
}

}  // namespace server
