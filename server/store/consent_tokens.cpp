#include "server/store/consent_tokens.hpp"

#include "server/store/sql.hpp"

namespace server {
namespace {

constexpr Statement kInsert{
    "token_insert",
    "INSERT INTO consent_token (institution_id, token_id, consent_id, consent_version, thumbprint, "
    "issued_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)"};
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
// A token that a newer one outlives needs no notice: it is marked, and nothing is said.
constexpr Statement kTold{
    "token_told",
    "WITH told AS (UPDATE consent_token SET reissue_told = true WHERE institution_id = $1 AND "
    "consent_id = $2 AND revoked_at IS NULL AND NOT reissue_told AND expires_at < $3 RETURNING "
    "expires_at) SELECT coalesce(bool_or(expires_at < $4), false) AND NOT EXISTS (SELECT FROM "
    "consent_token WHERE institution_id = $1 AND consent_id = $2 AND revoked_at IS NULL AND "
    "expires_at >= $3) FROM told"};

}  // namespace

void insert_token(Session& session, const TokenRecord& token) {
  sql::post(session, kInsert, session.institution_id(), token.token_id, token.consent_id,
            token.consent_version, sql::bytea(token.thumbprint), sql::timestamp(token.issued_at),
            sql::timestamp(token.expires_at));
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
  std::vector<ConsentName> out;
  for (const pqxx::row& row : sql::exec(session, kEnding, sql::timestamp(until), limit)) {
    out.push_back({row[0].as<std::string>(), row[1].as<std::string>()});
  }
  return out;
}

bool mark_tokens_told(Session& session, const Consent& consent, pki::Time until) {
  return sql::exec(session, kTold, consent.institution_id, consent.consent_id,
                   sql::timestamp(until), sql::timestamp(consent.valid_until))[0][0]
      .as<bool>();
}

}  // namespace server
