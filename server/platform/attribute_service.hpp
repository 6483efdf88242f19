// attribute_service.hpp: the latest four information for a consent token: who may have what, one
// question to the authority, and the record of it. Personal data pass through here and stay
// nowhere. Knows no HTTP.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "server/platform/attributes.hpp"
#include "server/platform/consent_service.hpp"
#include "server/platform/last_positions.hpp"
#include "server/platform/problem.hpp"
#include "server/store/query_steps.hpp"
#include "server/store/watching.hpp"

namespace server {

struct AttributeQuery {
  Asker asker;
  std::string token;  // without "Bearer "
  std::vector<std::string> attributes;
  std::string purpose;
  enum class Ask : std::uint8_t { if_needed, always };
  Ask ask = Ask::if_needed;  // `always`: the authority, though we know that nothing changed
  IdempotentRequest idempotent;
  pki::Time now;
};

// A query's way, in its order:
//   token → transaction 1: consent FOR SHARE, active, in its term; scopes; the key claimed; a
//   disclosure `started` → the authority, with no lock held → transaction 2: subject and consent
//   locked, still active; disclosure `completed`, usage, the newer certificate, event, audit →
//   commit → the answer.
// So no disclosure is completed after a withdrawal: that one needs the same rows.
//
// The authority knows a question by its disclosure's id and bills it once. The same Idempotency-Key
// goes on with the same disclosure where the server died or the authority did not answer. Once the
// answer is written down, sealed, that key gives the same answer for a day, as long as the consent
// lasts: an answer that got lost on its way costs nothing. Two questions about a consent at once
// are one: the second is told to come back (query_in_progress).
class AttributeService {
 public:
  AttributeService(const PlatformParts& parts, TokenService& tokens)
      : parts_(parts), tokens_(tokens) {}

  [[nodiscard]] boost::asio::awaitable<Answer> query(AttributeQuery query);

  // Of a batch, whose questions have keys of their own: that its key stands for this request and no
  // other. Throws Problem(idempotency_key_reused).
  [[nodiscard]] boost::asio::awaitable<void> bind_key(std::string institution_id,
                                                      IdempotentRequest request, pki::Time now);

  // What takes the place of the claims in the answer to a comparison; never kept.
  using Compare = std::function<nlohmann::ordered_json(const FourInformation&)>;
  // The same way, but nothing is handed over: `compare` tells what differs. At most kMatchesMax
  // that the authority answered for each consent and version of the subject. Throws
  // Problem(match_not_enabled) where it is off.
  [[nodiscard]] boost::asio::awaitable<Answer> match(AttributeQuery query, Compare compare);

  static constexpr std::int64_t kMatchesMax = 5;

  [[nodiscard]] const std::string& base_url() const { return parts_.base_url; }

 private:
  struct Begun {
    std::optional<Answer> answer;  // there is nothing to ask
    QueryGrounds grounds;
    Disclosure disclosure;
    InformationQuestion question;
    std::vector<std::string> not_provided;
  };
  struct Heard {
    InformationAnswer reply;
    nlohmann::ordered_json members;  // what the answer has because something was provided
  };
  struct Ended {
    Answer answer;
    std::optional<Problem> problem;  // thrown once the transaction is committed
  };
  [[nodiscard]] boost::asio::awaitable<Answer> run(AttributeQuery query, const Compare* compare);
  // A transaction that expects nobody in its way, and nothing to have changed, so that its
  // statements need no answers: less than half of the round trips. If that is not so, once more,
  // step by step.
  enum class Way : std::uint8_t { free, unknown };
  template <class Work>
  [[nodiscard]] auto transact(Connection& connection, const AttributeQuery& query,
                              const Work& work) const;
  [[nodiscard]] boost::asio::awaitable<Ended> end_patiently(const AttributeQuery& query,
                                                            const Begun& begun, const Heard& heard);
  [[nodiscard]] boost::asio::awaitable<void> put_off(const AttributeQuery& query,
                                                     const Disclosure& disclosure);
  [[nodiscard]] nlohmann::ordered_json given_members(const Begun& begun,
                                                     const ProvidedInformation& provided,
                                                     const Compare* compare) const;

  // Transactions 1 and 2 (attribute_transactions.cpp).
  [[nodiscard]] Begun begin(Session& session, const AttributeQuery& query,
                            const pki::ConsentTokenClaims& claims, const std::string& kind,
                            Way way) const;
  [[nodiscard]] QueryGrounds check_consent(Session& session, const pki::ConsentTokenClaims& claims,
                                           const std::string& kind, pki::Time now) const;
  [[nodiscard]] IdempotencyClaim start_disclosure(Session& session, Disclosure& disclosure,
                                                  const IdempotentRequest& request, Way way) const;
  void complete(Session& session, const AttributeQuery& query, const Disclosure& disclosure,
                const Answer& answer, pki::Time now) const;
  [[nodiscard]] Answer answer_unasked(Session& session, const AttributeQuery& query,
                                      Disclosure& disclosure,
                                      const std::vector<std::string>& not_provided) const;
  enum class Follow : std::uint8_t { yes, no };  // the newer certificate
  [[nodiscard]] Ended end(Session& session, const AttributeQuery& query, const Begun& begun,
                          const Heard& heard, Follow follow, pki::Time now, Way way) const;
  [[nodiscard]] AnswerGrounds answer_grounds(Session& session, const Begun& begun,
                                             const std::optional<IssuerKeyHash>& issuer,
                                             Way way) const;
  std::vector<AuditEntry> follow_certificate(Session& session, const ProvidedInformation& provided,
                                             const std::optional<IssuerPosition>& position,
                                             LockedConsent& locked, const Disclosure& disclosure,
                                             pki::Time now, Way way) const;

  const PlatformParts& parts_;
  TokenService& tokens_;
  mutable LastPositions positions_;
};

}  // namespace server
