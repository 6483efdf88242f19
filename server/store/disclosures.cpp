#include "server/store/disclosures.hpp"

#include <algorithm>

#include "server/store/sql.hpp"

namespace server {
namespace {

#define DISCLOSURE_COLUMNS                                                                       \
  "d.disclosure_id, d.consent_id, d.subject_id, d.subject_version, d.kind, d.attributes, "       \
  "d.purpose, d.state, coalesce(d.outcome, ''), d.billable, d.yen, d.thumbprint, extract(epoch " \
  "FROM d.started_at)::bigint, extract(epoch FROM d.ended_at)::bigint"

constexpr Statement kInsert{
    "disclosure_insert",
    "INSERT INTO disclosure (institution_id, disclosure_id, consent_id, subject_id, "
    "subject_version, kind, attributes, purpose, state, thumbprint, started_at, asked_with) VALUES "
    "($1, $2, $3, $4, $5, $6, $7, $8, 'started', $9, $10, $11) ON CONFLICT DO NOTHING RETURNING 1"};
constexpr Statement kReopen{
    "disclosure_reopen",
    "UPDATE disclosure SET state = 'started', started_at = $3, subject_version = $4, ended_at = "
    "NULL WHERE institution_id = $1 AND disclosure_id = $2 AND state IN ('started', 'failed') "
    "RETURNING asked_with"};
constexpr Statement kAbandonOthers{
    "disclosure_abandon_others",
    "UPDATE disclosure SET state = 'failed', ended_at = $4 WHERE institution_id = $1 AND "
    "consent_id = $2 AND disclosure_id <> $3 AND kind = 'query' AND state = 'started' AND "
    "started_at < $5"};
constexpr Statement kMatches{
    "disclosure_matches",
    "SELECT count(*) FROM disclosure WHERE institution_id = $1 AND consent_id = $2 AND kind = "
    "'match' AND subject_version = $3 AND state IN ('started', 'completed')"};
#define DISCLOSURES_OF(OF_WHAT)                                                                    \
  "SELECT " DISCLOSURE_COLUMNS                                                                     \
  ", c.service_id FROM disclosure d JOIN consent c USING (institution_id, consent_id) WHERE "      \
  "d.institution_id = $1 AND (d.started_at, d.disclosure_id) > ($2, $3) AND d.started_at < $4 AND" \
  " " OF_WHAT " ORDER BY d.started_at, d.disclosure_id LIMIT $5"
constexpr Statement kList{"disclosure_list", DISCLOSURES_OF("true")};
constexpr Statement kListOf{"disclosure_list_of", DISCLOSURES_OF("d.consent_id = $6")};
constexpr Statement kOpen{
    "disclosure_open",
    "SELECT institution_id, disclosure_id FROM disclosure WHERE state = 'started' AND started_at < "
    "$1 ORDER BY started_at LIMIT $2"};
constexpr Statement kAbandon{
    "disclosure_abandon",
    "UPDATE disclosure SET state = 'failed', ended_at = $3 WHERE institution_id = $1 AND "
    "disclosure_id = $2 AND state = 'started' RETURNING 1"};
constexpr Statement kUsage{
    "usage_list",
    "SELECT day::text, rule, purpose, uses, yen FROM usage WHERE institution_id = $1 AND day "
    "BETWEEN $2 AND $3 ORDER BY day, rule, purpose"};

#undef DISCLOSURES_OF
#undef DISCLOSURE_COLUMNS

Disclosure read_disclosure(const pqxx::row& row) {
  Disclosure out;
  out.disclosure_id = row[0].as<std::string>();
  out.consent_id = row[1].as<std::string>();
  out.subject_id = row[2].as<std::string>();
  out.subject_version = row[3].as<std::int32_t>();
  out.kind = row[4].as<std::string>();
  out.attributes = sql::texts(row[5]);
  out.purpose = row[6].as<std::string>();
  out.state = row[7].as<std::string>();
  out.outcome = row[8].as<std::string>();
  out.billable = row[9].as<bool>();
  out.yen = row[10].as<std::int32_t>();
  const auto thumbprint = sql::bytes(row[11]);
  std::copy_n(thumbprint.begin(), out.thumbprint.size(), out.thumbprint.begin());
  out.started_at = sql::time(row[12]);
  out.ended_at = sql::optional_time(row[13]);
  out.service_id = row[14].as<std::string>();
  return out;
}

}  // namespace

bool insert_disclosure(Session& session, const Disclosure& disclosure) {
  return !sql::exec(session, kInsert, session.institution_id(), disclosure.disclosure_id,
                    disclosure.consent_id, disclosure.subject_id, disclosure.subject_version,
                    disclosure.kind, sql::text_array(disclosure.attributes), disclosure.purpose,
                    sql::bytea(disclosure.thumbprint), sql::timestamp(disclosure.started_at),
                    disclosure.asked_with)
              .empty();
}

bool reopen_disclosure(Session& session, Disclosure& disclosure) {
  try {
    const auto rows =
        sql::exec(session, kReopen, session.institution_id(), disclosure.disclosure_id,
                  sql::timestamp(disclosure.started_at), disclosure.subject_version);
    if (rows.empty()) return false;
    disclosure.asked_with = rows[0][0].as<std::string>();
    return true;
  } catch (const AlreadyThere&) {
    return false;
  }
}

void abandon_disclosures(Session& session, const Disclosure& except, pki::Time before) {
  sql::post(session, kAbandonOthers, session.institution_id(), except.consent_id,
            except.disclosure_id, sql::timestamp(except.started_at), sql::timestamp(before));
}

std::int64_t count_matches(Session& session, const std::string& consent_id,
                           std::int32_t subject_version) {
  return sql::exec(session, kMatches, session.institution_id(), consent_id, subject_version)
      .at(0)[0]
      .as<std::int64_t>();
}

std::vector<Disclosure> list_disclosures(Session& session, const DisclosureFilter& filter) {
  const std::string after = sql::timestamp(filter.after.started_at);
  const std::string before = filter.before ? sql::timestamp(*filter.before) : "infinity";
  const std::string& institution_id = session.institution_id();
  const auto rows = filter.consent_id ? sql::exec(session, kListOf, institution_id, after,
                                                  filter.after.disclosure_id, before, filter.limit,
                                                  *filter.consent_id)
                                      : sql::exec(session, kList, institution_id, after,
                                                  filter.after.disclosure_id, before, filter.limit);
  std::vector<Disclosure> out;
  for (const pqxx::row& row : rows) out.push_back(read_disclosure(row));
  return out;
}

std::vector<OpenDisclosure> open_disclosures(Session& session, pki::Time before,
                                             std::uint32_t limit) {
  std::vector<OpenDisclosure> out;
  for (const pqxx::row& row : sql::exec(session, kOpen, sql::timestamp(before), limit)) {
    out.push_back({row[0].as<std::string>(), row[1].as<std::string>()});
  }
  return out;
}

bool abandon_disclosure(Session& session, const OpenDisclosure& disclosure, pki::Time now) {
  return !sql::exec(session, kAbandon, disclosure.institution_id, disclosure.disclosure_id,
                    sql::timestamp(now))
              .empty();
}

std::vector<Usage> list_usage(Session& session, const std::string& from, const std::string& to) {
  std::vector<Usage> out;
  for (const pqxx::row& row : sql::exec(session, kUsage, session.institution_id(), from, to)) {
    out.push_back({row[0].as<std::string>(), row[1].as<std::string>(), row[2].as<std::string>(),
                   row[3].as<std::int64_t>(), row[4].as<std::int64_t>()});
  }
  return out;
}

}  // namespace server
