// token_service.hpp: consent tokens: which keys sign and verify them, what goes into them, and
// whether one that is shown is good. Knows no HTTP; the consent's own state is the caller's matter.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "libpki/consent_token.hpp"
#include "server/platform/parts.hpp"
#include "server/store/consent_tokens.hpp"

namespace server {

// The keys at one moment. Immutable.
struct TokenKeySet {
  struct Key {
    std::string key_id;
    pki::PublicKey key;
  };
  std::vector<Key> keys;  // those that are not retired; the first one signs
  pki::Signer signer;     // of the first; to be cloned
  std::chrono::steady_clock::time_point loaded_at;

  [[nodiscard]] const pki::PublicKey* find(std::string_view key_id) const;
};

struct IssuedToken {
  std::string token;
  pki::Time expires_at;
};

// Any thread.
class TokenService {
 public:
  explicit TokenService(const PlatformParts& parts) : parts_(parts) {}

  // Read at most once in kTokenKeysAge, whatever key ids tokens name: an unknown one costs nothing.
  [[nodiscard]] boost::asio::awaitable<std::shared_ptr<const TokenKeySet>> keys();

  // All checks that need no database. Throws Problem(token_missing) for no Bearer token, and
  // Problem(token_invalid) for everything else; why goes to the log, without the token.
  [[nodiscard]] pki::ConsentTokenClaims verify(const TokenKeySet& keys,
                                               std::string_view authorization,
                                               const std::string& institution_id,
                                               const Thumbprint& thumbprint, pki::Time now) const;
  // The same for a token without "Bearer ".
  [[nodiscard]] pki::ConsentTokenClaims verify_token(const TokenKeySet& keys,
                                                     std::string_view token,
                                                     const std::string& institution_id,
                                                     const Thumbprint& thumbprint,
                                                     pki::Time now) const;

  // In a session of the institution: a token for an active consent, for the holder of that client
  // certificate. It ends with the consent's term or with the certificate.
  [[nodiscard]] IssuedToken issue(Session& session, pki::Signer& signer, const TokenKeySet& keys,
                                  const Consent& consent, const Thumbprint& thumbprint,
                                  pki::Time certificate_end, pki::Time now) const;

 private:
  const PlatformParts& parts_;
  std::mutex mutex_;
  std::shared_ptr<const TokenKeySet> keys_;  // protected by mutex_
};

}  // namespace server
