#include "server/platform/token_service.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "server/log.hpp"
#include "server/platform/problem.hpp"
#include "server/platform/token_keys.hpp"
#include "server/store/ids.hpp"

namespace server {
namespace {

TokenKeySet load_keys(Connection& connection, KeyRing& ring) {
  Session session(connection);
  auto known = ring.token_keys(session);
  std::erase_if(known, [](const KeyRing::TokenKey& one) { return one.is_retired; });
  if (known.empty()) throw std::runtime_error("there is no key that signs tokens");
  std::swap(known.front(), known.at(signing_key(known)));
  std::vector<TokenKeySet::Key> keys;
  std::optional<pki::Signer> signer;
  for (const KeyRing::TokenKey& one : known) {
    auto parsed = pki::Signer::from_pem(one.private_pem);
    if (!parsed) throw std::runtime_error(fmt::format("token key {} can't be read", one.key_id));
    keys.push_back({one.key_id, parsed->public_key()});
    if (!signer) signer.emplace(std::move(*parsed));
  }
  return {std::move(keys), *std::move(signer), std::chrono::steady_clock::now()};
}

std::string join(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) {
    if (!out.empty()) out += ' ';
    out += word;
  }
  return out;
}

}  // namespace

const pki::PublicKey* TokenKeySet::find(std::string_view key_id) const {
  const auto found = std::ranges::find(keys, key_id, &Key::key_id);
  return found == keys.end() ? nullptr : &found->key;
}

boost::asio::awaitable<std::shared_ptr<const TokenKeySet>> TokenService::keys() {
  {
    const std::lock_guard lock(mutex_);
    if (keys_ && std::chrono::steady_clock::now() - keys_->loaded_at < kTokenKeysAge)
      co_return keys_;
  }
  const pki::Time now = parts_.clock();
  auto loaded = co_await parts_.database.run([&](Connection& connection) {
    create_first_token_key(connection, parts_.keys, now);
    return std::make_shared<const TokenKeySet>(load_keys(connection, parts_.keys));
  });
  const std::lock_guard lock(mutex_);
  keys_ = loaded;
  co_return loaded;
}

pki::ConsentTokenClaims TokenService::verify(const TokenKeySet& keys,
                                             std::string_view authorization,
                                             const std::string& institution_id,
                                             const Thumbprint& thumbprint, pki::Time now) const {
  constexpr std::string_view kScheme = "Bearer ";
  if (authorization.empty()) throw Problem(ProblemKind::token_missing);
  if (!authorization.starts_with(kScheme)) throw Problem(ProblemKind::token_missing);
  return verify_token(keys, authorization.substr(kScheme.size()), institution_id, thumbprint, now);
}

pki::ConsentTokenClaims TokenService::verify_token(const TokenKeySet& keys, std::string_view token,
                                                   const std::string& institution_id,
                                                   const Thumbprint& thumbprint,
                                                   pki::Time now) const {
  const std::string audience = fmt::format("{}/v1/attributes", parts_.base_url);
  pki::ConsentTokenExpectation expected;
  expected.issuer = parts_.base_url;
  expected.audience = audience;
  expected.client_id = institution_id;
  expected.certificate_thumbprint = thumbprint;
  expected.now = now;
  auto claims = pki::verify_consent_token(
      token, [&](std::string_view key_id) { return keys.find(key_id); }, expected);
  if (claims) return std::move(*claims);
  log(Level::info, "token_refused",
      {{"institution", institution_id}, {"reason", pki::name(claims.error().code)}});
  throw Problem(ProblemKind::token_invalid);
}

IssuedToken TokenService::issue(Session& session, pki::Signer& signer, const TokenKeySet& keys,
                                const Consent& consent, const Thumbprint& thumbprint,
                                pki::Time certificate_end, pki::Time now) const {
  TokenRecord record;
  record.token_id = make_id(kTokenId);
  record.consent_id = consent.consent_id;
  record.consent_version = consent.version;
  record.thumbprint = thumbprint;
  record.key_id = keys.keys.front().key_id;
  record.issued_at = now;
  record.expires_at = std::min(consent.valid_until.value(), certificate_end);
  pki::ConsentTokenClaims claims;
  claims.issuer = parts_.base_url;
  claims.audience = fmt::format("{}/v1/attributes", parts_.base_url);
  claims.subject = consent.subject_id;
  claims.client_id = consent.institution_id;
  claims.token_id = record.token_id;
  claims.issued_at = now;
  claims.not_before = now;
  claims.expires_at = record.expires_at;
  claims.consent_id = consent.consent_id;
  claims.consent_version = static_cast<std::uint32_t>(consent.version);
  claims.scope = join(consent.scopes);
  claims.certificate_thumbprint = thumbprint;
  auto token = pki::encode_consent_token(claims, record.key_id, signer);
  if (!token) {
    throw std::runtime_error(
        fmt::format("a token was not signed: {}", pki::name(token.error().code)));
  }
  insert_token(session, record);
  return {std::move(*token), record.expires_at};
}

}  // namespace server
