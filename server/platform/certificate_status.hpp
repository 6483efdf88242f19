// certificate_status.hpp: what an institution's certificates are worth now. Which certificates
// these are, the database says; their status is looked up in the lists that this server has, so
// that it is as fresh as an OCSP answer, and no fresher than the lists.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/platform/listed_status.hpp"
#include "server/store/certificate_lookup.hpp"
#include "server/store/database.hpp"

namespace server {

enum class Claim : std::uint8_t { good, held, revoked, expired, unknown };
[[nodiscard]] std::string_view name_of(Claim claim);

struct StatusAnswer {
  std::string certificate_id;
  Claim claim = Claim::unknown;
  std::string why_unknown;                    // "lists_stale", "lists_missing", "issuer_not_served"
  std::optional<pki::Revocation> revocation;  // of held and revoked
  std::optional<pki::Time> as_of;             // thisUpdate of the lists
  std::optional<pki::Time> valid_until;       // newer information is due by then
  std::string crl_number;                     // empty if it took several lists
};

// The rules, alone. A revocation is for ever; an end comes before a hold; and past the end of the
// lists nothing is claimed but what can't change any more.
[[nodiscard]] StatusAnswer status_now(const LookedUpCertificate& certificate,
                                      const IssuerSnapshot* known, pki::Bytes serial,
                                      pki::Time now);

class CertificateStatusService {
 public:
  using Snapshots = std::function<std::shared_ptr<const Snapshot>()>;
  // `issuers` are those of the snapshots, in their order. All live longer.
  CertificateStatusService(Database& database, KeyRing& keys, std::vector<WatchedIssuer> issuers,
                           Snapshots snapshots);

  // In the order of the ids, certificates first; nothing for what the institution does not have.
  struct Question {
    std::vector<std::string> certificate_ids;
    std::vector<std::string> consent_ids;  // the certificate whose four information is known
  };
  [[nodiscard]] boost::asio::awaitable<std::vector<std::optional<StatusAnswer>>> ask(
      std::string institution_id, Question question, pki::Time now);

 private:
  Database& database_;
  KeyRing& keys_;
  const std::vector<WatchedIssuer> issuers_;
  const Snapshots snapshots_;
};

}  // namespace server
