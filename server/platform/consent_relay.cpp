#include "server/platform/consent_relay.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "libpki/japan_time.hpp"
#include "server/log.hpp"
#include "server/platform/attributes.hpp"
#include "server/platform/consent_view.hpp"
#include "server/platform/problem.hpp"
#include "server/store/watching.hpp"

namespace server {
namespace {

std::runtime_error not_there(const std::string& consent_id) {
  return std::runtime_error(
      fmt::format("consent {} is to be relayed, and is not there", consent_id));
}

}  // namespace

std::chrono::seconds relay_pause(std::int32_t attempts) {
  constexpr std::chrono::seconds kLongest{600};
  if (attempts >= 8) return kLongest;
  return std::min(kLongest, std::chrono::seconds{5 << std::max(attempts, 0)});
}

std::string early_withdrawal_name(const std::string& authority_consent) {
  return fmt::format("authority.withdrawn.{}", authority_consent);
}

ConsentRegistration ConsentRelay::registration_of(Session& session, const Consent& consent) const {
  const auto named = find_certificate_name(session, consent.institution_id, consent.signed_with);
  if (!named) {
    throw std::runtime_error(fmt::format("consent {} names a certificate that is not there: {}",
                                         consent.consent_id, consent.signed_with));
  }
  ConsentRegistration out;
  out.request_id = consent.consent_id;
  out.institution = consent.institution_id;
  out.service = consent.service_id;
  out.certificate.issuer_key_hash = named->issuer_key_hash;
  out.certificate.serial = Redacted(parts_.keys.open_for(
      session, consent.institution_id, serial_place(consent.signed_with), named->serial_sealed));
  out.items = items_of_scopes(consent.scopes);
  out.received_at = consent.received_at;
  return out;
}

boost::asio::awaitable<Answer> ConsentRelay::register_at_authority(
    const std::string& institution_id, const std::string& consent_id,
    std::optional<WaitingCaller> caller) {
  const auto keys = co_await tokens_.keys();
  const ConsentRegistration registration =
      co_await parts_.database.run([&](Connection& connection) {
        Session session(connection, institution_id);
        const auto consent = find_consent(session, institution_id, consent_id);
        if (!consent) throw not_there(consent_id);
        return registration_of(session, *consent);
      });
  std::optional<Reply> reply;
  try {
    reply = co_await parts_.consents().register_consent(registration);
  } catch (const AuthorityUnavailable& trouble) {
    log(Level::warning, "consent_not_relayed",
        {{"consent", consent_id}, {"error", trouble.what()}});
  }
  const pki::Time now = parts_.clock();
  co_return co_await parts_.database.run([&](Connection& connection) {
    Session session(connection, institution_id);
    Answer answer = settle(session, consent_id, reply, caller, *keys, now);
    session.commit();
    return answer;
  });
}

// pending → active. Of the same person and service only one may be: the one that was signed last,
// though an earlier one may be heard of later. The other is withdrawn at the authority, too.
void ConsentRelay::activate(Session& session, Consent& consent, const RegisteredConsent& registered,
                            std::vector<AuditEntry>& audit, pki::Time now) const {
  const ConsentEnding superseded{
      ConsentStatus::superseded, {"platform", "replaced", now}, ConsentEnding::Relay::yes};
  if (auto active = lock_active_consent(session, consent.institution_id, consent.subject_id,
                                        consent.service_id)) {
    const bool is_later = active->consented_at > consent.consented_at;
    Consent& replaced = is_later ? consent : *active;
    if (is_later) set_authority_consent(session, consent, registered.authority_consent_id);
    replaced.replaced_by = is_later ? active->consent_id : consent.consent_id;
    end_locked_consent(session, replaced, superseded, now);
    audit.push_back(audit_of(replaced, "platform", "consent.superseded"));
    if (is_later) return;
  }
  const bool counts_receipt = parts_.consent.term == TermRule::from_received;
  const pki::ConsentTerm term =
      pki::consent_term(counts_receipt ? consent.received_at : registered.reflected_at);
  consent.authority_consent = registered.authority_consent_id;
  consent.reflected_at = registered.reflected_at;
  consent.valid_from = term.valid_from;
  consent.valid_until = term.valid_until;
  activate_consent(session, consent);
  put_consent_event(session, consent, EventType::consent_activated, now);
  audit.push_back(audit_of(consent, "authority", "consent.activated"));
}

Answer ConsentRelay::settle(Session& session, const std::string& consent_id,
                            const std::optional<Reply>& reply,
                            const std::optional<WaitingCaller>& caller, const TokenKeySet& keys,
                            pki::Time now) const {
  const auto* registered = reply ? std::get_if<RegisteredConsent>(&*reply) : nullptr;
  if (registered) lock_authority_consent(session, registered->authority_consent_id);
  auto locked = lock_consent(session, session.institution_id(), consent_id);
  if (!locked) {
    throw std::runtime_error(fmt::format("consent {} was relayed, and is not there", consent_id));
  }
  Consent& consent = locked->consent;
  std::vector<AuditEntry> audit;
  if (!reply) {
    if (consent.relay_at) {
      set_relay(session, consent, now + relay_pause(consent.relay_attempts),
                consent.relay_attempts + 1);
    }
  } else if (consent.status == ConsentStatus::pending && registered) {
    activate(session, consent, *registered, audit, now);
    if (consent.status == ConsentStatus::active &&
        !platform_state(session, early_withdrawal_name(registered->authority_consent_id)).empty()) {
      end_locked_consent(session, consent,
                         {ConsentStatus::withdrawn,
                          {"subject", "withdrawn_by_subject_at_authority", now},
                          ConsentEnding::Relay::no},
                         now);
      audit.push_back(audit_of(consent, "authority", "consent.withdrawn"));
    }
  } else if (consent.status == ConsentStatus::pending) {
    const std::string code(to_string(std::get<AuthorityRefusal>(*reply)));
    end_locked_consent(
        session, consent,
        {ConsentStatus::rejected, {"authority", code, now}, ConsentEnding::Relay::no}, now);
    audit.push_back(audit_of(consent, "authority", "consent.rejected"));
  } else if (registered && !consent.authority_consent) {
    // Ended here while it was on its way: the authority must hear of that, too.
    set_authority_consent(session, consent, registered->authority_consent_id);
    set_relay(session, consent, now, 0);
  }

  Answer answer{consent.status == ConsentStatus::pending ? 202U : 201U,
                consent_json(session, parts_.keys, consent)};
  if (caller && consent.status == ConsentStatus::active) {
    pki::Signer signer = keys.signer.clone();
    const IssuedToken token = tokens_.issue(session, signer, keys, consent, caller->thumbprint,
                                            caller->certificate_end, now);
    answer.body["token"] = token.token;
    answer.body["token_expires_at"] = pki::time_to_rfc3339(token.expires_at);
  }
  if (consent.status == ConsentStatus::rejected) answer.status = 403;
  if (caller) keep_answer(session, parts_.keys, caller->request, answer);
  for (const AuditEntry& entry : audit) append_audit(session, now, entry);
  return answer;
}

boost::asio::awaitable<void> ConsentRelay::withdraw_at_authority(const std::string& institution_id,
                                                                 const std::string& consent_id) {
  struct Known {
    Consent consent;
    ConsentRegistration registration;
  };
  const Known known = co_await parts_.database.run([&](Connection& connection) {
    Session session(connection, institution_id);
    auto consent = find_consent(session, institution_id, consent_id);
    if (!consent) throw not_there(consent_id);
    return Known{*consent, registration_of(session, *consent)};
  });
  std::string authority_consent = known.consent.authority_consent.value_or("");
  bool is_done = false;
  try {
    if (authority_consent.empty()) {
      // It is unknown whether the registration arrived. By its id it can't be made twice.
      const auto reply = co_await parts_.consents().register_consent(known.registration);
      if (const auto* made = std::get_if<RegisteredConsent>(&reply)) {
        authority_consent = made->authority_consent_id;
      }
    }
    // A refusal means that there is nothing to withdraw there.
    if (!authority_consent.empty()) co_await parts_.consents().withdraw(authority_consent);
    is_done = true;
  } catch (const AuthorityUnavailable& trouble) {
    log(Level::warning, "withdrawal_not_relayed",
        {{"consent", consent_id}, {"error", trouble.what()}});
  }
  const pki::Time now = parts_.clock();
  co_await parts_.database.run([&](Connection& connection) {
    Session session(connection, institution_id);
    if (!authority_consent.empty() && !known.consent.authority_consent) {
      set_authority_consent(session, known.consent, authority_consent);
    }
    if (is_done) {
      set_relay(session, known.consent, std::nullopt, 0);
      append_audit(session, now, {"platform", "consent.withdrawal_relayed", consent_id, "{}"});
    } else {
      set_relay(session, known.consent, now + relay_pause(known.consent.relay_attempts),
                known.consent.relay_attempts + 1);
    }
    session.commit();
  });
}

}  // namespace server
