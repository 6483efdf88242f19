// consent_tokens.hpp: rows of the table `consent_token`: which tokens were given out, and which of
// them count no more. The tokens themselves are not kept.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "server/store/consents.hpp"
#include "server/store/institutions.hpp"

namespace server {

struct TokenRecord {
  std::string token_id;
  std::string consent_id;
  std::int32_t consent_version = 0;
  Thumbprint thumbprint{};
  std::string key_id;  // signed it
  pki::Time issued_at;
  pki::Time expires_at;
};

void insert_token(Session& session, const TokenRecord& token);
// All of a consent; returns how many counted until then.
std::size_t revoke_tokens(Session& session, const std::string& institution_id,
                          const std::string& consent_id, pki::Time now);
// When the institution's certificate of that thumbprint ends; nothing if it has no such certificate
// or the certificate was revoked.
[[nodiscard]] std::optional<pki::Time> client_certificate_end(Session& session,
                                                              const Thumbprint& thumbprint);

// Consents with a token that ends before `until`, of which nothing was said yet: platform session.
[[nodiscard]] std::vector<ConsentName> tokens_ending(Session& session, pki::Time until,
                                                     std::uint32_t limit);
// The same of tokens that a key signed.
[[nodiscard]] std::vector<ConsentName> tokens_of_key(Session& session, const std::string& key_id,
                                                     std::uint32_t limit);
// Marks as dealt with what a consent has of tokens that end before `until`, or whose key was
// retired. True if its institution is to be told: the consent outlives them, and no other token
// does. The caller has locked the consent.
[[nodiscard]] bool mark_tokens_told(Session& session, const Consent& consent, pki::Time until);

}  // namespace server
