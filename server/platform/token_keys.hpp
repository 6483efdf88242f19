// token_keys.hpp: the keys that sign consent tokens: the first one, the next ones, and what is told
// of them in /.well-known/jwks.json.
#pragma once

#include <chrono>
#include <string>

#include "libpki/asn1_time.hpp"
#include "server/store/key_ring.hpp"

namespace server {

// Servers read the keys again when what they read is older than that.
inline constexpr std::chrono::seconds kTokenKeysAge{30};
// A new key verifies at once and signs later, when every server has read it: none gets a token
// whose key it does not know.
inline constexpr std::chrono::seconds kTokenKeySignsAfter{2 * kTokenKeysAge};

// Of those that are not retired, newest first: which one signs. The newest that is old enough, or
// else the oldest. There is at least one.
template <class Keys>
[[nodiscard]] std::size_t signing_key(const Keys& keys) {
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (keys[i].age >= kTokenKeySignsAfter) return i;
  }
  return keys.size() - 1;
}

// Makes the first key, if there is none. Two servers that start at once may make two: both verify,
// and one signs. Throws as the key ring does.
void create_first_token_key(Connection& connection, KeyRing& keys, pki::Time now);

// Makes another key; returns its id, which begins with the month of `now`. In a platform session.
// Throws KeyEncryptionFault unless the key ring's file opens the keys that are there: servers that
// have another file could not read the new one.
[[nodiscard]] std::string create_token_key(Session& session, KeyRing& keys, pki::Time now);

// {"keys":[…]}, newest first, without retired ones (RFC 7517 5).
[[nodiscard]] std::string token_key_set(Session& session);

}  // namespace server
