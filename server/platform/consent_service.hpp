// consent_service.hpp: what institutions do with consents: register, read, withdraw, and get tokens
// for them. Knows no HTTP; problems are thrown as Problem.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "server/platform/consent_relay.hpp"
#include "server/platform/evidence.hpp"

namespace server {

// Who asks, by the certificate of the connection.
struct Asker {
  std::string institution_id;
  Thumbprint thumbprint{};
  pki::Time certificate_end;

  [[nodiscard]] std::string actor() const { return pki::to_hex(thumbprint); }
};

struct NewConsentRequest {
  Agreement agreement;  // its institution is the asker's
  std::string channel;
  std::optional<Redacted<std::string>> customer_ref;
  Evidence evidence;
};

struct WithdrawalRequest {
  std::string reason;                     // a code of the subject's or the institution's
  std::optional<std::string> channel;     // for the audit alone
  std::optional<pki::Time> requested_at;  // for the audit alone
  std::optional<std::int64_t> if_version;
};

struct TokenRequest {
  std::optional<Thumbprint> thumbprint;  // another certificate of the institution; else the asker's
  enum class Earlier : std::uint8_t { keep, revoke };
  Earlier earlier = Earlier::keep;
};

struct ConsentPage {
  std::vector<nlohmann::ordered_json> consents;
  std::string next_page_token;  // empty: it was the last
  std::string resume_cursor;    // of the first page
};

class ConsentService {
 public:
  // The cursor of the feed's end, in a session of the institution.
  using HeadCursor = std::function<std::string(Session&)>;

  ConsentService(const PlatformParts& parts, TokenService& tokens,
                 EvidenceChecker::ReadDocument read_document, HeadCursor head_cursor);

  // Checks the evidence, keeps the consent as pending, and waits for the authority while it
  // answers.
  [[nodiscard]] boost::asio::awaitable<Answer> register_consent(Asker asker,
                                                                NewConsentRequest request,
                                                                IdempotentRequest idempotent,
                                                                pki::Time now);
  // Throws Problem(not_found), for those of others, too.
  [[nodiscard]] boost::asio::awaitable<nlohmann::ordered_json> get(std::string institution_id,
                                                                   std::string consent_id);
  [[nodiscard]] boost::asio::awaitable<ConsentPage> list(std::string institution_id,
                                                         std::optional<ConsentStatus> status,
                                                         std::uint32_t limit,
                                                         std::string page_token);
  // Takes effect before it returns, whatever runs at the same time; the authority is told
  // afterwards. Of a consent that has ended: as it is.
  [[nodiscard]] boost::asio::awaitable<nlohmann::ordered_json> withdraw(
      Asker asker, std::string consent_id, WithdrawalRequest request, IdempotentRequest idempotent,
      pki::Time now);
  [[nodiscard]] boost::asio::awaitable<Answer> new_token(Asker asker, std::string consent_id,
                                                         TokenRequest request,
                                                         IdempotentRequest idempotent,
                                                         pki::Time now);
  // One result for each id, a token or a problem, in their order.
  [[nodiscard]] boost::asio::awaitable<Answer> reissue(Asker asker,
                                                       std::vector<std::string> consent_ids,
                                                       TokenRequest request,
                                                       IdempotentRequest idempotent, pki::Time now);

 private:
  struct Registered {
    std::optional<Answer> replay;
    std::string consent_id;
  };
  [[nodiscard]] boost::asio::awaitable<Registered> keep_pending(const Asker& asker,
                                                                const NewConsentRequest& request,
                                                                const CheckedEvidence& evidence,
                                                                const IdempotentRequest& idempotent,
                                                                pki::Time now);
  [[nodiscard]] Registered insert_pending(Session& session, const Asker& asker,
                                          const NewConsentRequest& request,
                                          const CheckedEvidence& evidence,
                                          const IdempotentRequest& idempotent, pki::Time now) const;
  [[nodiscard]] std::pair<std::string, std::string> subject_of(Session& session,
                                                               const CheckedEvidence& evidence,
                                                               const std::string& service,
                                                               pki::Time now) const;
  [[nodiscard]] nlohmann::ordered_json issue_one(Session& session, const std::string& consent_id,
                                                 const TokenRequest& request, const Asker& asker,
                                                 pki::Signer& signer, const TokenKeySet& keys,
                                                 pki::Time now) const;

  const PlatformParts& parts_;
  TokenService& tokens_;
  ConsentRelay relay_;
  EvidenceChecker evidence_;
  HeadCursor head_cursor_;
};

// Throws the Problem that goes with the status, unless it is `active`.
void require_active(const Consent& consent);

}  // namespace server
