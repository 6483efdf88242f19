// query_steps.hpp: what a query for attributes does to the database (server/platform/
// attribute_service.hpp), several steps in each statement: a round trip costs PostgreSQL and the
// server as much as a step. Sessions of the institution.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "server/store/audit.hpp"
#include "server/store/consents.hpp"
#include "server/store/disclosures.hpp"
#include "server/store/feed.hpp"
#include "server/store/idempotency.hpp"
#include "server/store/subjects.hpp"
#include "server/store/watching.hpp"

namespace server {

// What there is before a question is asked, and most often still when its answer comes.
struct QueryGrounds {
  struct Token {
    std::string consent_id;
    bool is_revoked = false;
  };
  LockedConsent locked;
  std::optional<Token> token;
  bool is_service_active = false;
  std::optional<SealedName> known_certificate;  // Consent::known_certificate
  // Which versions of the rows these are: PostgreSQL's xmin.
  std::string subject_row;
  std::string consent_row;
};
// Locks the rows of subject and consent, shared or, the consent's, alone: a withdrawal and the end
// of another query wait, or are seen here. The rest is of the statement's beginning, so if a lock
// had to be waited for, known_certificate may be missing.
enum class ConsentLock : std::uint8_t { shared, alone };
[[nodiscard]] std::optional<QueryGrounds> find_grounds(Session& session,
                                                       const std::string& consent_id,
                                                       const std::string& token_id,
                                                       ConsentLock lock);

// Claims the key for this disclosure and writes it down as `started`, where neither is expected to
// be taken. Else it, what comes next in the session, or the commit throws AlreadyThere; then
// claim_idempotency() and insert_disclosure() tell, in another transaction, what is in the way.
void open_disclosure(Session& session, const Disclosure& disclosure,
                     const IdempotentRequest& request);

// Once the authority has answered: the consent with its subject, as lock_consent() has them, and
// the issuer of the newer certificate, if there is one, as lock_issuer() has it.
struct AnswerGrounds {
  LockedConsent locked;
  std::optional<IssuerPosition> position;
};
[[nodiscard]] std::optional<AnswerGrounds> lock_answer_grounds(
    Session& session, const std::string& consent_id, const std::optional<IssuerKeyHash>& issuer);

// The same, without an answer, where all is expected to be as it was read before: the same locks
// are taken, and if something has changed, nothing of the transaction is done: it, what comes next,
// or the commit throws NotAsRequired.
void expect_answer_grounds(Session& session, const QueryGrounds& grounds);
void expect_answer_grounds(Session& session, const QueryGrounds& grounds,
                           const IssuerKeyHash& issuer, const IssuerPosition& position);

// The newer certificate of `consent`, and what of it was given (known_certificate,
// newer_certificate, newer_items). If `event` is there, the subject's version rises as well, and
// its state is kept as in update_subject(). Both rows are locked by the caller.
void set_given(Session& session, const Consent& consent);
void set_given(Session& session, const Consent& consent, const Subject& subject,
               const Event& event);

// The end of a disclosure: started → state, outcome, billable, yen, ended_at; what it cost (if
// `usage.uses` is not 0); what its key answers from now on, or that it is free again; the audit.
// If it was not `started` any more, nothing is done; with an answer to be kept, nothing of the
// whole transaction either: it, what comes next, or the commit throws NotAsRequired.
struct KeptAnswer {
  unsigned status = 0;
  std::vector<std::uint8_t> sealed;
};
struct DisclosureEnd {
  Disclosure disclosure;
  IdempotentRequest request;
  std::optional<KeptAnswer> kept;
  Usage usage;
  AuditEntry audit;
};
void close_disclosure(Session& session, const DisclosureEnd& end, pki::Time now);

}  // namespace server
