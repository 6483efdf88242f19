#include "server/store/consent_tokens.hpp"

#include "server/store/consent_row.hpp"
#include "server/store/sql.hpp"

namespace server {
namespace {

constexpr Statement kInsert{
    "token_insert",
    "INSERT INTO consent_token (institution_id, token_id, consent_id, consent_version, thumbprint, "
    "key_id, issued_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"};
constexpr Statement kRevoke{"token_revoke_all",
                            "UPDATE consent_token SET revoked_at = $3 WHERE institution_id = $1 "
                            "AND consent_id = $2 AND revoked_at IS NULL RETURNING 1"};
constexpr Statement kCertificateEnd{
    "token_certificate_end",
    "SELECT extract(epoch FROM not_after)::bigint FROM client_certificate WHERE institution_id = "
    "$1 AND thumbprint = $2 AND status = 'active'"};
constexpr Statement kEnding{
    "token_ending",
    "SELECT DISTINCT institution_id, consent_id FROM (SELECT institution_id, consent_id FROM "
    "consent_token WHERE revoked_at IS NULL AND NOT reissue_told AND expires_at < $1 ORDER BY "
    "expires_at LIMIT $2) AS due"};
// Of one key, in the order of its index: else every token there is might be read.
constexpr Statement kOfKey{
    "token_of_key",
    "SELECT DISTINCT institution_id, consent_id FROM consent_token WHERE key_id = $1 AND "
    "revoked_at IS NULL AND NOT reissue_told ORDER BY institution_id, consent_id LIMIT $2"};
constexpr Statement kOfConsent{
    "token_of_consent",
    "SELECT token_id, reissue_told, extract(epoch FROM expires_at)::bigint, EXISTS (SELECT FROM "
    "platform_key k WHERE k.purpose = 'token-signing' AND k.key_id = t.key_id AND k.retired_at IS "
    "NOT NULL) FROM consent_token t WHERE institution_id = $1 AND consent_id = $2 AND revoked_at "
    "IS NULL"};
constexpr Statement kTold{
    "token_told",
    "UPDATE consent_token SET reissue_told = true WHERE institution_id = $1 AND token_id = $2"};

}  // namespace

void insert_token(Session& session, const TokenRecord& token) {
  sql::post(session, kInsert, session.institution_id(), token.token_id, token.consent_id,
            token.consent_version, sql::bytea(token.thumbprint), token.key_id,
            sql::timestamp(token.issued_at), sql::timestamp(token.expires_at));
}

std::size_t revoke_tokens(Session& session, const std::string& institution_id,
                          const std::string& consent_id, pki::Time now) {
  return sql::exec(session, kRevoke, institution_id, consent_id, sql::timestamp(now)).size();
}

std::optional<pki::Time> client_certificate_end(Session& session, const Thumbprint& thumbprint) {
  const auto rows =
      sql::exec(session, kCertificateEnd, session.institution_id(), sql::bytea(thumbprint));
  if (rows.empty()) return std::nullopt;
  return sql::time(rows[0][0]);
}

std::vector<ConsentName> tokens_ending(Session& session, pki::Time until, std::uint32_t limit) {
  return sql::read_names(sql::exec(session, kEnding, sql::timestamp(until), limit));
}

std::vector<ConsentName> tokens_of_key(Session& session, const std::string& key_id,
                                       std::uint32_t limit) {
  return sql::read_names(sql::exec(session, kOfKey, key_id, limit));
}

bool mark_tokens_told(Session& session, const Consent& consent, pki::Time until) {
  bool is_news = false;
  bool has_good = false;
  for (const pqxx::row& row :
       sql::exec(session, kOfConsent, consent.institution_id, consent.consent_id)) {
    const pki::Time end = sql::time(row[2]);
    const bool is_unverifiable = row[3].as<bool>();
    if (!is_unverifiable && end >= until) {
      has_good = true;
    } else if (!row[1].as<bool>()) {
      sql::post(session, kTold, consent.institution_id, row[0].as<std::string>());
      is_news = is_news || is_unverifiable || end < consent.valid_until;
    }
  }
  return is_news && !has_good;
}

}  // namespace server
