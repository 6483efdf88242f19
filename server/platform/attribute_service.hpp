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
#include "server/platform/problem.hpp"
#include "server/store/disclosures.hpp"

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
// goes on with the same disclosure, whether the server died before the answer, after it was written
// down, or the authority did not answer; until the data have gone out. Then: already_delivered.
class AttributeService {
 public:
  AttributeService(const PlatformParts& parts, TokenService& tokens)
      : parts_(parts), tokens_(tokens) {}

  [[nodiscard]] boost::asio::awaitable<Answer> query(AttributeQuery query);

  // What takes the place of the claims in the answer to a comparison; never kept.
  using Compare = std::function<nlohmann::ordered_json(const FourInformation&)>;
  // The same way, but nothing is handed over: `compare` tells what differs. At most kMatchesMax for
  // each consent and version of the subject. Throws Problem(match_not_enabled) where it is off.
  [[nodiscard]] boost::asio::awaitable<Answer> match(AttributeQuery query, Compare compare);

  static constexpr std::int64_t kMatchesMax = 5;

  [[nodiscard]] const std::string& base_url() const { return parts_.base_url; }

 private:
  struct Begun {
    std::optional<Answer> answer;  // there is nothing to ask
    Disclosure disclosure;
    InformationQuestion question;
    std::vector<std::string> not_provided;
    bool is_repeat = false;  // it was completed, but its answer did not go out
  };
  struct Ended {
    Answer answer;
    std::optional<Problem> problem;  // thrown once the transaction is committed
  };
  [[nodiscard]] boost::asio::awaitable<Answer> run(AttributeQuery query, const Compare* compare);
  [[nodiscard]] boost::asio::awaitable<Ended> end_patiently(const AttributeQuery& query,
                                                            const Begun& begun,
                                                            const InformationAnswer& reply);
  [[nodiscard]] boost::asio::awaitable<void> put_off(const AttributeQuery& query);
  void say_delivered(const AttributeQuery& query, boost::asio::any_io_executor executor) const;

  // Transactions 1 and 2 (attribute_transactions.cpp).
  [[nodiscard]] Begun begin(Session& session, const AttributeQuery& query,
                            const pki::ConsentTokenClaims& claims, const std::string& kind) const;
  [[nodiscard]] Consent check_consent(Session& session, const pki::ConsentTokenClaims& claims,
                                      pki::Time now) const;
  [[nodiscard]] Answer answer_unasked(Session& session, const AttributeQuery& query,
                                      Disclosure& disclosure,
                                      const std::vector<std::string>& not_provided) const;
  enum class Follow : std::uint8_t { yes, no };  // the newer certificate
  [[nodiscard]] Ended end(Session& session, const AttributeQuery& query, const Begun& begun,
                          const InformationAnswer& reply, Follow follow, pki::Time now) const;
  std::vector<AuditEntry> follow_certificate(Session& session, const ProvidedInformation& provided,
                                             LockedConsent& locked, const Disclosure& disclosure,
                                             pki::Time now) const;

  const PlatformParts& parts_;
  TokenService& tokens_;
};

}  // namespace server
