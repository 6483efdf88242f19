#include "server/store/certificate_changes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

#include "server/store/audit.hpp"
#include "server/store/feed.hpp"
#include "server/store/sql.hpp"

namespace server {
namespace {

constexpr Statement kFind{
    "watched_find",
    "SELECT c.institution_id, c.certificate_id, c.subject_id, c.status, c.reason, extract(epoch "
    "FROM c.revoked_at)::bigint, extract(epoch FROM c.not_after)::bigint, m.place FROM "
    "unnest($2::bytea[]) WITH ORDINALITY AS m (mac, place) JOIN certificate c ON c.issuer_key_hash "
    "= $1 AND c.serial_mac = m.mac WHERE c.checked_generation < $3 AND c.status <> 'expired'"};
constexpr Statement kNext{
    "watched_next",
    "SELECT institution_id, certificate_id, subject_id, status, reason, extract(epoch FROM "
    "revoked_at)::bigint, extract(epoch FROM not_after)::bigint, serial_sealed FROM certificate "
    "WHERE issuer_key_hash = $1 AND (institution_id, certificate_id) > ($2, $3) AND "
    "checked_generation < $4 AND status <> 'expired' ORDER BY institution_id, certificate_id LIMIT "
    "$5"};
constexpr Statement kEnding{
    "watched_ending",
    "SELECT institution_id, certificate_id, subject_id, status, reason, extract(epoch FROM "
    "revoked_at)::bigint, extract(epoch FROM not_after)::bigint FROM certificate WHERE NOT "
    "has_ended AND not_after < $1 ORDER BY not_after LIMIT $2"};
constexpr Statement kEnded{
    "watched_ended",
    "UPDATE certificate c SET has_ended = true FROM unnest($1::text[], $2::text[]) AS w "
    "(institution_id, certificate_id) WHERE c.institution_id = w.institution_id AND "
    "c.certificate_id = w.certificate_id AND c.not_after < $3 AND c.status IN ('revoked', "
    "'expired')"};
// Who watches these certificates; and whose they are, for those who watch another one by now. Both
// are locked in the order of all.
constexpr Statement kWatchers{
    "watched_by",
    "SELECT w.place, s.subject_id, s.version, true FROM unnest($1::text[], $2::text[]) WITH "
    "ORDINALITY AS w (institution_id, certificate_id, place) JOIN subject s ON s.institution_id = "
    "w.institution_id AND s.watched_certificate = w.certificate_id ORDER BY s.institution_id, "
    "s.subject_id FOR NO KEY UPDATE OF s"};
constexpr Statement kOwners{
    "watched_owners",
    "SELECT w.place, s.subject_id, s.version, s.watched_certificate = w.certificate_id FROM "
    "unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS w (institution_id, "
    "certificate_id, owner, place) JOIN subject s ON s.institution_id = w.institution_id AND "
    "s.subject_id = w.owner ORDER BY s.institution_id, s.subject_id FOR NO KEY UPDATE OF s"};
constexpr Statement kCountWatchers{
    "watched_count",
    "SELECT count(*) FROM unnest($1::text[], $2::text[]) AS w (institution_id, certificate_id) "
    "JOIN "
    "subject s ON s.institution_id = w.institution_id AND s.watched_certificate = "
    "w.certificate_id"};
constexpr Statement kApply{
    "watched_apply",
    "UPDATE certificate c SET status = w.status, reason = nullif(w.reason, 15), revoked_at = "
    "nullif(w.revoked_at, '')::timestamptz, status_at = w.status_at, checked_generation = "
    "coalesce($8::bigint, c.checked_generation), has_ended = c.has_ended OR w.status = 'expired' "
    "FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::smallint[], $6::text[], "
    "$7::timestamptz[]) WITH ORDINALITY AS w (institution_id, certificate_id, before, status, "
    "reason, revoked_at, status_at, place) WHERE c.institution_id = w.institution_id AND "
    "c.certificate_id = w.certificate_id AND c.status = w.before AND CASE WHEN $8::bigint IS NULL "
    "THEN c.not_after < w.status_at ELSE c.checked_generation < $8::bigint END RETURNING w.place"};
constexpr Statement kRaise{
    "subject_raise_many",
    "WITH w AS MATERIALIZED (SELECT * FROM unnest($1::text[], $2::text[], $3::int[], $4::bool[]) "
    "AS w (institution_id, subject_id, version, pending)), raised AS (UPDATE subject s SET version "
    "= w.version, state = CASE WHEN w.pending THEN 'awaiting_certificate' ELSE s.state END, "
    "state_at = CASE WHEN w.pending THEN $5 ELSE s.state_at END FROM w WHERE s.institution_id = "
    "w.institution_id AND s.subject_id = w.subject_id) INSERT INTO awaiting (institution_id, "
    "subject_id, next_check_at, lapsed_at) SELECT institution_id, subject_id, $5, $5 FROM w WHERE "
    "pending ON CONFLICT (institution_id, subject_id) DO UPDATE SET next_check_at = "
    "excluded.next_check_at, checks = 0, lapsed_at = excluded.lapsed_at"};
constexpr Statement kConsents{
    "consent_active_of_many",
    "SELECT w.place, c.consent_id FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS w "
    "(institution_id, subject_id, place) JOIN consent c ON c.institution_id = w.institution_id AND "
    "c.subject_id = w.subject_id AND c.status = 'active' ORDER BY w.place, c.consent_id"};

using Column = std::vector<std::string>;
using Changes = std::vector<const CertificateChange*>;

WatchedCertificate watched(const pqxx::row& row) {
  WatchedCertificate out;
  out.institution_id = row[0].as<std::string>();
  out.certificate_id = row[1].as<std::string>();
  out.subject_id = row[2].as<std::string>();
  out.status = status_of(row[3].c_str());
  if (const auto date = sql::optional_time(row[5])) {
    const auto reason = row[4].is_null() ? pki::Reason::absent
                                         : static_cast<pki::Reason>(row[4].as<std::int16_t>());
    out.revocation = pki::Revocation{*date, reason};
  }
  out.not_after = sql::optional_time(row[6]);
  return out;
}

// Another reason or date.
bool is_correction(const CertificateChange& change) {
  return change.status == change.certificate.status;
}

// A change that was made, and one subject that it concerns.
struct Applied {
  const CertificateChange* change = nullptr;
  std::string subject_id;
  std::int32_t version = 0;  // of the subject, before
  bool is_watched = false;   // is it the certificate that the subject stands by?

  [[nodiscard]] const WatchedCertificate& certificate() const { return change->certificate; }
  [[nodiscard]] auto subject() const { return std::tie(certificate().institution_id, subject_id); }
  [[nodiscard]] bool lapses() const {
    return is_watched && !is_correction(*change) &&
           (change->status == CertificateStatus::revoked ||
            change->status == CertificateStatus::expired);
  }
};

// Names of certificates, as statements take them.
struct NameColumns {
  Column institutions;
  Column certificates;
  void add(const WatchedCertificate& certificate) {
    institutions.push_back(certificate.institution_id);
    certificates.push_back(certificate.certificate_id);
  }
};

void add_applied(const pqxx::result& rows, const Changes& changes, std::vector<Applied>& out) {
  for (const pqxx::row& row : rows) {
    out.push_back({changes[row[0].as<std::size_t>() - 1], row[1].as<std::string>(),
                   row[2].as<std::int32_t>(), row[3].as<bool>()});
  }
}

// By subject.
std::vector<Applied> lock_watchers(Session& session, const Changes& changes) {
  NameColumns names;
  for (const CertificateChange* change : changes) names.add(change->certificate);
  std::vector<Applied> out;
  add_applied(sql::exec(session, kWatchers, sql::text_array(names.institutions),
                        sql::text_array(names.certificates)),
              changes, out);

  std::set<const CertificateChange*> by_owner;
  for (const Applied& one : out) {
    if (one.subject_id == one.certificate().subject_id) by_owner.insert(one.change);
  }
  Changes others;
  NameColumns theirs;
  Column owners;
  for (const CertificateChange* change : changes) {
    if (by_owner.contains(change)) continue;
    others.push_back(change);
    theirs.add(change->certificate);
    owners.push_back(change->certificate.subject_id);
  }
  if (!others.empty()) {
    add_applied(sql::exec(session, kOwners, sql::text_array(theirs.institutions),
                          sql::text_array(theirs.certificates), sql::text_array(owners)),
                others, out);
  }
  std::ranges::sort(out, [](const Applied& a, const Applied& b) {
    return std::tie(a.certificate().institution_id, a.subject_id, a.certificate().certificate_id) <
           std::tie(b.certificate().institution_id, b.subject_id, b.certificate().certificate_id);
  });
  return out;
}

// Those that were made.
Changes update_certificates(Session& session, std::span<const CertificateChange> changes,
                            std::optional<std::uint64_t> to_generation) {
  std::array<Column, 7> columns;
  for (const CertificateChange& change : changes) {
    const auto& revocation = change.revocation;
    columns[0].push_back(change.certificate.institution_id);
    columns[1].push_back(change.certificate.certificate_id);
    columns[2].emplace_back(name_of(change.certificate.status));
    columns[3].emplace_back(name_of(change.status));
    columns[4].push_back(
        fmt::format("{}", static_cast<int>(revocation ? revocation->reason : pki::Reason::absent)));
    columns[5].push_back(revocation ? sql::timestamp(revocation->date) : "");
    columns[6].push_back(sql::timestamp(change.as_of));
  }
  std::optional<std::string> generation;
  if (to_generation) generation = fmt::format("{}", *to_generation);
  Changes out;
  for (const pqxx::row& row : sql::exec(
           session, kApply, sql::text_array(columns[0]), sql::text_array(columns[1]),
           sql::text_array(columns[2]), sql::text_array(columns[3]), sql::text_array(columns[4]),
           sql::text_array(columns[5]), sql::text_array(columns[6]), generation)) {
    out.push_back(&changes[row[0].as<std::size_t>() - 1]);
  }
  return out;
}

// Those of `locked` whose change was made, and whoever began to watch one of these certificates
// meanwhile, by subject. Nobody can any more: the certificates' rows are locked now.
std::vector<Applied> still_watching(Session& session, std::vector<Applied> locked, Changes made) {
  std::ranges::sort(made);
  std::erase_if(locked,
                [&](const Applied& one) { return !std::ranges::binary_search(made, one.change); });
  NameColumns names;
  for (const CertificateChange* one : made) names.add(one->certificate);
  const auto watching = sql::exec(session, kCountWatchers, sql::text_array(names.institutions),
                                  sql::text_array(names.certificates))[0][0]
                            .as<std::int64_t>();
  if (std::ranges::count_if(locked, &Applied::is_watched) == watching) return locked;
  return lock_watchers(session, made);
}

Event certificate_event(const Applied& applied, std::int32_t version, pki::Time now) {
  const CertificateChange& change = *applied.change;
  nlohmann::ordered_json status;
  if (change.revocation) {
    if (change.revocation->reason != pki::Reason::absent) {
      status["reason"] = pki::to_string(change.revocation->reason);
    }
    status["revoked_at"] = pki::to_string(change.revocation->date);
  }
  if (!change.crl_number.empty()) status["crl_number"] = change.crl_number;
  status["as_of"] = pki::to_string(change.as_of);
  Event event;
  event.type = change.status == CertificateStatus::revoked ? EventType::certificate_revoked
               : change.status == CertificateStatus::held  ? EventType::certificate_held
                                                           : EventType::certificate_released;
  event.occurred_at = now;
  event.members = {{"subject_version", version},
                   {"certificate_id", applied.certificate().certificate_id},
                   {"status", std::move(status)}};
  return event;
}

Event pending_event(const Applied& applied, std::int32_t version, pki::Time now) {
  Event event;
  event.type = EventType::subject_update_pending;
  event.occurred_at = now;
  event.members = {{"subject_version", version},
                   {"state", "awaiting_certificate"},
                   {"reason", name_of(applied.change->status)},
                   {"next_check_at", pki::to_string(now)}};
  return event;
}

void count(const CertificateChange& change, ChangeCounts& counts) {
  if (is_correction(change)) {
    ++counts.corrected;
    return;
  }
  switch (change.status) {
    case CertificateStatus::good: ++counts.released; break;
    case CertificateStatus::held: ++counts.held; break;
    case CertificateStatus::revoked: ++counts.revoked; break;
    case CertificateStatus::expired: ++counts.expired; break;
  }
}

// What happens to one subject in this batch.
struct SubjectChange {
  const Applied* first = nullptr;  // names it
  std::int32_t version = 0;        // after
  bool pending = false;
  std::vector<Event> events;  // without owner and consent
};

// In the order of `applied`, which is by subject. A subject without events is left out.
std::vector<SubjectChange> by_subject(std::span<const Applied> applied, pki::Time now) {
  std::vector<SubjectChange> out;
  for (auto at = applied.begin(); at != applied.end();) {
    const auto end = std::find_if(
        at, applied.end(), [&](const Applied& one) { return one.subject() != at->subject(); });
    SubjectChange subject{&*at, at->version, false, {}};
    for (auto one = at; one != end; ++one) {
      if (is_correction(*one->change) || one->change->status == CertificateStatus::expired)
        continue;
      subject.events.push_back(certificate_event(*one, ++subject.version, now));
    }
    for (auto one = at; one != end; ++one) {
      if (!one->lapses()) continue;
      subject.events.push_back(pending_event(*one, ++subject.version, now));
      subject.pending = true;
    }
    if (!subject.events.empty()) out.push_back(std::move(subject));
    at = end;
  }
  return out;
}

void raise_and_tell(Session& session, std::span<const SubjectChange> subjects, pki::Time now) {
  Column institutions;
  Column ids;
  Column versions;
  Column pending;
  for (const SubjectChange& subject : subjects) {
    institutions.push_back(subject.first->certificate().institution_id);
    ids.push_back(subject.first->subject_id);
    versions.push_back(fmt::format("{}", subject.version));
    pending.emplace_back(subject.pending ? "t" : "f");
  }
  sql::exec(session, kRaise, sql::text_array(institutions), sql::text_array(ids),
            sql::text_array(versions), sql::text_array(pending), sql::timestamp(now));
  std::vector<Event> events;
  for (const pqxx::row& row :
       sql::exec(session, kConsents, sql::text_array(institutions), sql::text_array(ids))) {
    const SubjectChange& subject = subjects[row[0].as<std::size_t>() - 1];
    for (Event event : subject.events) {
      event.institution_id = subject.first->certificate().institution_id;
      event.subject_id = subject.first->subject_id;
      event.consent_id = row[1].as<std::string>();
      events.push_back(std::move(event));
    }
  }
  put_events(session, events);
}

void audit(Session& session, const std::map<std::string, ChangeCounts>& by_institution,
           std::optional<std::uint64_t> to_generation, pki::Time now) {
  for (const auto& [institution, counts] : by_institution) {
    nlohmann::json detail = {{"held", counts.held},
                             {"released", counts.released},
                             {"revoked", counts.revoked},
                             {"expired", counts.expired},
                             {"corrected", counts.corrected}};
    if (to_generation) detail["generation"] = *to_generation;
    append_audit(session, now, {"platform", "certificates.changed", institution, detail.dump()},
                 institution);
  }
}

}  // namespace

ChangeCounts& ChangeCounts::operator+=(const ChangeCounts& other) {
  held += other.held;
  released += other.released;
  revoked += other.revoked;
  expired += other.expired;
  pending += other.pending;
  corrected += other.corrected;
  return *this;
}

std::vector<FoundCertificate> find_watched(Session& session, const IssuerKeyHash& issuer,
                                           std::span<const std::vector<std::uint8_t>> macs,
                                           std::uint64_t to_generation) {
  std::string array = "{";
  for (const std::vector<std::uint8_t>& mac : macs) {
    if (array.size() > 1) array += ',';
    array += fmt::format("\"\\\\x{}\"", pki::to_hex(mac));
  }
  array += '}';
  std::vector<FoundCertificate> out;
  for (const pqxx::row& row :
       sql::exec(session, kFind, sql::bytea(issuer), array, sql::number(to_generation))) {
    out.push_back({watched(row), row[7].as<std::size_t>() - 1});
  }
  return out;
}

std::vector<SealedCertificate> next_watched(Session& session, const IssuerKeyHash& issuer,
                                            const WatchedCertificate& after,
                                            std::uint64_t to_generation, std::size_t limit) {
  std::vector<SealedCertificate> out;
  for (const pqxx::row& row :
       sql::exec(session, kNext, sql::bytea(issuer), after.institution_id, after.certificate_id,
                 sql::number(to_generation), static_cast<std::int64_t>(limit))) {
    out.push_back({watched(row), sql::bytes(row[7])});
  }
  return out;
}

std::vector<WatchedCertificate> find_ended(Session& session, pki::Time now, std::size_t limit) {
  std::vector<WatchedCertificate> out;
  for (const pqxx::row& row :
       sql::exec(session, kEnding, sql::timestamp(now), static_cast<std::int64_t>(limit))) {
    out.push_back(watched(row));
  }
  return out;
}

void set_ended(Session& session, std::span<const WatchedCertificate> certificates, pki::Time now) {
  NameColumns names;
  for (const WatchedCertificate& one : certificates) names.add(one);
  sql::exec(session, kEnded, sql::text_array(names.institutions),
            sql::text_array(names.certificates), sql::timestamp(now));
}

ChangeCounts apply_changes(Session& session, std::span<const CertificateChange> changes,
                           std::optional<std::uint64_t> to_generation, pki::Time now) {
  if (changes.empty()) return {};
  Changes all;
  for (const CertificateChange& change : changes) all.push_back(&change);
  std::vector<Applied> locked = lock_watchers(session, all);
  const Changes made = update_certificates(session, changes, to_generation);
  const std::vector<Applied> applied = still_watching(session, std::move(locked), made);
  const std::vector<SubjectChange> touched = by_subject(applied, now);
  if (!touched.empty()) raise_and_tell(session, touched, now);

  std::map<std::string, ChangeCounts> by_institution;
  for (const CertificateChange* one : made) {
    count(*one, by_institution[one->certificate.institution_id]);
  }
  audit(session, by_institution, to_generation, now);
  ChangeCounts total;
  for (const auto& [institution, counts] : by_institution) total += counts;
  total.pending = static_cast<std::uint64_t>(
      std::ranges::count_if(touched, [](const SubjectChange& one) { return one.pending; }));
  return total;
}

}  // namespace server
