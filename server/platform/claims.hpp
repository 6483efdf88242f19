// claims.hpp: the authority's answer as verified_claims (OpenID Identity Assurance Schema 1.0), in
// the shape of the contract (openapi.json, VerifiedClaims). Values as the authority gives them,
// never normalised. Pure; what it makes is personal data, and goes to the connection and nowhere
// else.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "libpki/asn1_time.hpp"
#include "server/upstream/gateways.hpp"

namespace server {

struct ClaimsContext {
  std::string base_url;       // names trust framework and claims
  std::string disclosure_id;  // check_id: every check can be found in the audit
};

// {"verification": …, "claims": …}. An item that the authority did not give is not there.
//   name                        one string: who is to say which part is the family's?
//   address                     {"formatted": …}
//   birthdate                   "YYYY-MM-DD", "0000-MM-DD" where only the year is unknown, "YYYY"
//                               where only it is known (OpenID Connect Core 5.1); anything else is
//                               left out, and …/claims/birthdate_parts has what there is
//   gender                      "male", "female", "unknown", from 1, 2, 3 of the certificate
//   …/claims/name_substitutions, …/claims/address_substitutions   the maps of substitute characters
[[nodiscard]] nlohmann::ordered_json verified_claims(const ProvidedInformation& provided,
                                                     const ClaimsContext& context);

// [{"attribute": …, "reason": "not_consented"}, …]
[[nodiscard]] nlohmann::ordered_json not_consented(const std::vector<std::string>& attributes);

// Which of `asked` the authority did not give.
[[nodiscard]] std::vector<InformationItem> missing_items(const FourInformation& given,
                                                         const std::vector<InformationItem>& asked);

}  // namespace server
