// certificate_lookup.hpp: certificates by the names that their institution has for them. Sessions
// of an institution: what is another's is not there.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "server/store/certificate_changes.hpp"

namespace server {

struct LookedUpCertificate {
  WatchedCertificate certificate;
  IssuerKeyHash issuer{};
  pki::Time status_at;  // thisUpdate of the list that said so
  std::vector<std::uint8_t> serial_sealed;
};

// In the order of the ids; nothing where there is none. One statement.
[[nodiscard]] std::vector<std::optional<LookedUpCertificate>> certificates_by_id(
    Session& session, std::span<const std::string> certificate_ids);
// The certificate whose four information the institution has, of the subject of each consent.
[[nodiscard]] std::vector<std::optional<LookedUpCertificate>> certificates_by_consent(
    Session& session, std::span<const std::string> consent_ids);

}  // namespace server
