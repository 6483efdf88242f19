#include "server/store/certificate_lookup.hpp"

#include "server/store/sql.hpp"

namespace server {
namespace {

constexpr Statement kById{
    "certificate_by_id",
    "SELECT w.place, c.institution_id, c.certificate_id, c.subject_id, c.status, c.reason, "
    "extract(epoch FROM c.revoked_at)::bigint, extract(epoch FROM c.not_after)::bigint, "
    "c.issuer_key_hash, extract(epoch FROM c.status_at)::bigint, c.serial_sealed FROM "
    "unnest($1::text[]) WITH ORDINALITY AS w (id, place) JOIN certificate c ON c.institution_id = "
    "current_institution() AND c.certificate_id = w.id"};
constexpr Statement kByConsent{
    "certificate_by_consent",
    "SELECT w.place, c.institution_id, c.certificate_id, c.subject_id, c.status, c.reason, "
    "extract(epoch FROM c.revoked_at)::bigint, extract(epoch FROM c.not_after)::bigint, "
    "c.issuer_key_hash, extract(epoch FROM c.status_at)::bigint, c.serial_sealed FROM "
    "unnest($1::text[]) WITH ORDINALITY AS w (id, place) JOIN consent n ON n.institution_id = "
    "current_institution() AND n.consent_id = w.id JOIN subject s ON s.institution_id = "
    "n.institution_id AND s.subject_id = n.subject_id JOIN certificate c ON c.institution_id = "
    "s.institution_id AND c.certificate_id = s.known_certificate"};

std::vector<std::optional<LookedUpCertificate>> look_up(Session& session,
                                                        const Statement& statement,
                                                        std::span<const std::string> ids) {
  std::vector<std::optional<LookedUpCertificate>> out(ids.size());
  if (ids.empty()) return out;
  for (const pqxx::row& row :
       sql::exec(session, statement, sql::text_array({ids.begin(), ids.end()}))) {
    LookedUpCertificate one;
    one.certificate = {row[1].as<std::string>(),
                       row[2].as<std::string>(),
                       row[3].as<std::string>(),
                       status_of(row[4].c_str()),
                       std::nullopt,
                       sql::optional_time(row[7])};
    if (const auto date = sql::optional_time(row[6])) {
      one.certificate.revocation = pki::Revocation{
          *date, row[5].is_null() ? pki::Reason::absent
                                  : static_cast<pki::Reason>(row[5].as<std::int16_t>())};
    }
    const auto issuer = sql::bytes(row[8]);
    std::copy_n(issuer.begin(), one.issuer.size(), one.issuer.begin());
    one.status_at = sql::time(row[9]);
    one.serial_sealed = sql::bytes(row[10]);
    out[row[0].as<std::size_t>() - 1] = std::move(one);
  }
  return out;
}

}  // namespace

std::vector<std::optional<LookedUpCertificate>> certificates_by_id(
    Session& session, std::span<const std::string> certificate_ids) {
  return look_up(session, kById, certificate_ids);
}

std::vector<std::optional<LookedUpCertificate>> certificates_by_consent(
    Session& session, std::span<const std::string> consent_ids) {
  return look_up(session, kByConsent, consent_ids);
}

}  // namespace server
