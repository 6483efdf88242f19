#include "server/platform/token_keys.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "libpki/jws.hpp"
#include "server/log.hpp"
#include "server/store/ids.hpp"

namespace server {

std::string create_token_key(Session& session, KeyRing& keys, pki::Time now) {
  (void)keys.token_keys(session);
  // "2026-11-" and 40 random bits: kids tell when a key was made and are never made twice.
  const std::string key_id = pki::to_string(now).substr(0, 8) + make_id("").substr(0, 8);
  const pki::Signer signer = pki::Signer::generate_p256();
  const auto jwk = pki::public_jwk(signer.public_key(), key_id);
  if (!jwk) throw std::runtime_error(fmt::format("a new key: {}", pki::to_string(jwk.error())));
  std::string pem = signer.to_pem();
  keys.add_token_key(session, key_id, pem, *jwk);
  std::ranges::fill(pem, '\0');
  return key_id;
}

void create_first_token_key(Connection& connection, KeyRing& keys, pki::Time now) {
  Session session(connection);
  const auto is_good = [](const TokenKeyState& key) { return !key.retired_at; };
  if (std::ranges::any_of(token_key_states(session), is_good)) return;
  const std::string key_id = create_token_key(session, keys, now);
  session.commit();
  log(Level::info, "token_key_made", {{"kid", key_id}});
}

std::string token_key_set(Session& session) {
  return fmt::format("{{\"keys\":[{}]}}", fmt::join(public_token_keys(session), ","));
}

}  // namespace server
