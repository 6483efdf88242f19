// consent_relay.hpp: a consent's way to the authority: its registration, and what becomes of the
// consent by the authority's answer. Used while the institution waits, and by the jobs afterwards.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>

#include "server/platform/consent_changes.hpp"
#include "server/platform/idempotent.hpp"
#include "server/platform/token_service.hpp"

namespace server {

// Who waits for the answer, if anybody does.
struct WaitingCaller {
  Thumbprint thumbprint{};
  pki::Time certificate_end;
  IdempotentRequest request;
};

class ConsentRelay {
 public:
  ConsentRelay(const PlatformParts& parts, TokenService& tokens) : parts_(parts), tokens_(tokens) {}

  // Tells the authority of a consent (by its id, so that it counts once), and settles it:
  //   confirmed → active, with its term; an active one of the same person and service is
  //   superseded; a token for the caller who waits. refused → rejected. Not reached → pending, and
  //   tried again later. Withdrawn meanwhile → stays so, and the authority is told.
  // Returns what is answered: the consent as JSON.
  [[nodiscard]] boost::asio::awaitable<Answer> register_at_authority(
      const std::string& institution_id, const std::string& consent_id,
      std::optional<WaitingCaller> caller);

  // Tells the authority of a withdrawal. Nothing is thrown: it is tried again until it is known.
  [[nodiscard]] boost::asio::awaitable<void> withdraw_at_authority(
      const std::string& institution_id, const std::string& consent_id);

 private:
  using Reply = std::variant<RegisteredConsent, AuthorityRefusal>;
  [[nodiscard]] ConsentRegistration registration_of(Session& session, const Consent& consent) const;
  [[nodiscard]] Answer settle(Session& session, const std::string& consent_id,
                              const std::optional<Reply>& reply,
                              const std::optional<WaitingCaller>& caller, const TokenKeySet& keys,
                              pki::Time now) const;
  void activate(Session& session, Consent& consent, const RegisteredConsent& registered,
                std::vector<AuditEntry>& audit, pki::Time now) const;

  const PlatformParts& parts_;
  TokenService& tokens_;
};

// The wait before the next attempt: 5 s, doubled each time, up to 10 minutes.
[[nodiscard]] std::chrono::seconds relay_pause(std::int32_t attempts);

// In platform_state: the authority withdrew a consent that we have not heard of (yet).
[[nodiscard]] std::string early_withdrawal_name(const std::string& authority_consent);

}  // namespace server
