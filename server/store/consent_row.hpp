// consent_row.hpp: rows of `consent` and `subject` as statements give them, for the files of this
// directory.
#pragma once

#include "server/store/consents.hpp"
#include "server/store/sql.hpp"
#include "server/store/subjects.hpp"

// What a SELECT FROM consent c gives, in the order in which read_consent() takes it.
#define CONSENT_COLUMNS                                                                        \
  "c.institution_id, c.consent_id, c.subject_id, c.service_id, c.version, c.status, "          \
  "c.reason_initiated_by, c.reason_code, extract(epoch FROM c.reason_at)::bigint, "            \
  "c.replaced_by, c.scopes, c.purpose, c.notice_version, c.notice_language, c.notice_sha256, " \
  "c.channel, coalesce(c.customer_ref_sealed, ''), c.evidence_format, c.signed_with, "         \
  "extract(epoch FROM c.consented_at)::bigint, extract(epoch FROM c.received_at)::bigint, "    \
  "extract(epoch FROM c.reflected_at)::bigint, c.authority_consent, extract(epoch FROM "       \
  "c.valid_from)::bigint, extract(epoch FROM c.valid_until)::bigint, extract(epoch FROM "      \
  "c.relay_at)::bigint, c.relay_attempts, c.known_certificate, c.newer_certificate, c.newer_items"
// The same for subject s: read_subject().
#define SUBJECT_COLUMNS                                                                          \
  "s.institution_id, s.subject_id, s.version, s.state, extract(epoch FROM s.state_at)::bigint, " \
  "s.known_certificate, s.watched_certificate"

namespace server::sql {

// From the row's first column, and from the one after the consent's.
[[nodiscard]] Consent read_consent(const pqxx::row& row);
inline constexpr int kConsentColumns = 30;
inline constexpr int kSubjectColumns = 7;
[[nodiscard]] Subject read_subject(const pqxx::row& row, int first = 0);
// institution_id and consent_id of each row.
[[nodiscard]] std::vector<ConsentName> read_names(const pqxx::result& rows);
// issuer_key_hash and serial_sealed of a certificate.
[[nodiscard]] SealedName read_sealed_name(const pqxx::row& row, int first = 0);

}  // namespace server::sql
