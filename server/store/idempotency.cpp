#include "server/store/idempotency.hpp"

#include "server/store/sql.hpp"

namespace server {
namespace {

constexpr Statement kClaim{
    "idempotency_claim",
    "INSERT INTO idempotency (institution_id, idempotency_key, request_sha256, object_id, "
    "started_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING RETURNING 1"};
constexpr Statement kLock{"idempotency_lock",
                          "SELECT request_sha256 = $3, object_id, coalesce(response_status, 0), "
                          "coalesce(response_sealed, ''), started_at < $4 FROM idempotency WHERE "
                          "institution_id = $1 AND idempotency_key = $2 FOR UPDATE"};
constexpr Statement kTakeOver{
    "idempotency_take_over",
    "UPDATE idempotency SET started_at = $3 WHERE institution_id = $1 AND idempotency_key = $2"};
constexpr Statement kFinish{
    "idempotency_finish",
    "UPDATE idempotency SET response_status = $3, response_sealed = nullif($4, ''::bytea) WHERE "
    "institution_id = $1 AND idempotency_key = $2"};
constexpr Statement kForget{
    "idempotency_forget",
    "UPDATE idempotency i SET response_sealed = NULL FROM disclosure d WHERE i.institution_id = $1 "
    "AND d.institution_id = $1 AND d.consent_id = $2 AND i.object_id = d.disclosure_id"};
constexpr Statement kPrune{
    "idempotency_prune",
    "DELETE FROM idempotency WHERE (institution_id, idempotency_key) IN (SELECT institution_id, "
    "idempotency_key FROM idempotency WHERE started_at < $1 LIMIT $2)"};

}  // namespace

IdempotencyClaim claim_idempotency(Session& session, const IdempotentRequest& request,
                                   const std::string& object_id, pki::Time now,
                                   pki::Time abandoned_before) {
  using State = IdempotencyClaim::State;
  if (request.key.empty()) return {State::fresh, object_id, 0, {}};
  if (!sql::exec(session, kClaim, session.institution_id(), request.key, sql::bytea(request.sha256),
                 object_id, sql::timestamp(now))
           .empty()) {
    return {State::fresh, object_id, 0, {}};
  }
  const auto rows = sql::exec(session, kLock, session.institution_id(), request.key,
                              sql::bytea(request.sha256), sql::timestamp(abandoned_before));
  if (rows.empty()) throw Conflict("a key was forgotten while it was claimed", "40001");
  const pqxx::row row = rows[0];
  IdempotencyClaim out;
  out.object_id = row[1].as<std::string>();
  out.status = row[2].as<unsigned>();
  out.response_sealed = sql::bytes(row[3]);
  if (!row[0].as<bool>()) {
    out.state = State::other_request;
  } else if (out.status != 0) {
    out.state = State::done;
  } else if (row[4].as<bool>()) {
    out.state = State::taken_over;
    sql::post(session, kTakeOver, session.institution_id(), request.key, sql::timestamp(now));
  } else {
    out.state = State::running;
  }
  return out;
}

void finish_idempotency(Session& session, const IdempotentRequest& request, unsigned status,
                        const std::vector<std::uint8_t>& response_sealed) {
  if (request.key.empty()) return;
  sql::post(session, kFinish, session.institution_id(), request.key, status,
            sql::bytea(response_sealed));
}

void put_off_idempotency(Session& session, const IdempotentRequest& request, pki::Time begun_at) {
  if (request.key.empty()) return;
  sql::post(session, kTakeOver, session.institution_id(), request.key, sql::timestamp(begun_at));
}

void forget_disclosed(Session& session, const std::string& institution_id,
                      const std::string& consent_id) {
  sql::post(session, kForget, institution_id, consent_id);
}

std::size_t prune_idempotency(Session& session, pki::Time before, std::uint32_t limit) {
  return sql::exec(session, kPrune, sql::timestamp(before), limit).affected_rows();
}

}  // namespace server
