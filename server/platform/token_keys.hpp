// token_keys.hpp: the keys that sign consent tokens: the first one, and what is told of them in
// /.well-known/jwks.json.
#pragma once

#include <string>

#include "libpki/asn1_time.hpp"
#include "server/store/key_ring.hpp"

namespace server {

// Makes the first key, if there is none that signs. Two servers that start at once may make two:
// both are published, the newer one signs. Throws as the key ring does.
void create_first_token_key(Connection& connection, KeyRing& keys, pki::Time now);

// {"keys":[…]}, newest first, without retired ones (RFC 7517 5).
[[nodiscard]] std::string token_key_set(Session& session);

}  // namespace server
