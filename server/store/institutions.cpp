#include "server/store/institutions.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "server/store/audit.hpp"
#include "server/store/ids.hpp"
#include "server/store/sql.hpp"

namespace server {
namespace {

constexpr Statement kAuthenticate{"authenticate",
                                  "SELECT institution_id, name, roles, institution_status, "
                                  "certificate_status FROM authenticate_client($1)"};
constexpr Statement kIsActive{
    "institution_client_active",
    "SELECT 1 FROM client_certificate c JOIN institution i USING (institution_id) WHERE "
    "c.institution_id = $1 AND c.thumbprint = $2 AND c.status = 'active' AND i.status = 'active'"};
constexpr Statement kAdd{"institution_add",
                         "WITH made AS (INSERT INTO institution VALUES ($1, $2, 'active', $3)) "
                         "SELECT pg_notify('tashika_institutions', $1)"};
constexpr Statement kAddFeed{"institution_add_feed",
                             "INSERT INTO feed (institution_id, retained_from) VALUES ($1, $2)"};
constexpr Statement kList{
    "institution_list",
    "SELECT institution_id, name, status, extract(epoch FROM created_at)::bigint FROM institution "
    "ORDER BY name"};
constexpr Statement kServices{"service_list",
                              "SELECT service_id FROM service WHERE institution_id = $1 AND status "
                              "= 'active' ORDER BY service_id"};
constexpr Statement kCertificates{
    "client_certificate_list",
    "SELECT thumbprint, subject, extract(epoch FROM not_after)::bigint, roles, status FROM "
    "client_certificate WHERE institution_id = $1 ORDER BY added_at, thumbprint"};
constexpr Statement kSetStatus{
    "institution_set_status",
    "UPDATE institution SET status = $2 WHERE institution_id = $1 AND status <> $2 RETURNING "
    "pg_notify('tashika_institutions', $1)"};
constexpr Statement kAddService{"service_add", "INSERT INTO service VALUES ($1, $2, 'active', $3)"};
constexpr Statement kEndService{"service_end",
                                "UPDATE service SET status = 'ended' WHERE institution_id = $1 AND "
                                "service_id = $2 AND status = 'active' RETURNING 1"};
constexpr Statement kAddCertificate{
    "client_certificate_add",
    "WITH made AS (INSERT INTO client_certificate VALUES ($1, $2, $3, $4, $5, 'active', $6)) "
    "SELECT pg_notify('tashika_institutions', $1)"};
constexpr Statement kRevokeCertificate{
    "client_certificate_revoke",
    "UPDATE client_certificate SET status = 'revoked', revoked_at = $3 WHERE institution_id = $1 "
    "AND thumbprint = $2 AND status = 'active' RETURNING pg_notify('tashika_institutions', $1)"};

constexpr std::array<std::pair<Role, std::string_view>, 3> kRoleNames{
    {{Role::poller, "poller"}, {Role::query, "query"}, {Role::consent_admin, "consent-admin"}}};

void audit(Session& session, const std::string& institution_id, pki::Time now, std::string verb,
           std::string object, std::string detail = "{}") {
  append_audit(session, now, {"operator", std::move(verb), std::move(object), std::move(detail)},
               institution_id);
}

Roles roles_of(const pqxx::field& field) {
  return Roles::from_names(sql::texts(field)).value_or(Roles());
}

}  // namespace

std::vector<std::string> Roles::names() const {
  std::vector<std::string> out;
  for (const auto& [role, name] : kRoleNames) {
    if (has(role)) out.emplace_back(name);
  }
  return out;
}

std::optional<Roles> Roles::from_names(const std::vector<std::string>& names) {
  Roles out;
  for (const std::string& name : names) {
    const auto found =
        std::ranges::find(kRoleNames, name, &std::pair<Role, std::string_view>::second);
    if (found == kRoleNames.end()) return std::nullopt;
    out.add(found->first);
  }
  return out;
}

std::optional<Caller> authenticate(Session& session, const Thumbprint& thumbprint) {
  const auto rows = sql::exec(session, kAuthenticate, sql::bytea(thumbprint));
  if (rows.empty() || rows[0][0].is_null()) return std::nullopt;
  const pqxx::row row = rows[0];
  return Caller{row[0].as<std::string>(), row[1].as<std::string>(), roles_of(row[2]),
                row[3].as<std::string>() == "active", row[4].as<std::string>() == "active"};
}

bool is_client_active(Session& session, const Thumbprint& thumbprint) {
  return !sql::exec(session, kIsActive, session.institution_id(), sql::bytea(thumbprint)).empty();
}

std::string add_institution(Session& session, const std::string& name, pki::Time now) {
  std::string id = make_id(kInstitutionId);
  sql::exec(session, kAdd, id, name, sql::timestamp(now));
  sql::exec(session, kAddFeed, id, sql::timestamp(now));
  begin_audit(session, id);
  audit(session, id, now, "institution.added", id);
  return id;
}

std::vector<Institution> list_institutions(Session& session) {
  std::vector<Institution> out;
  for (const pqxx::row& row : sql::exec(session, kList)) {
    Institution one;
    one.institution_id = row[0].as<std::string>();
    one.name = row[1].as<std::string>();
    one.is_active = row[2].as<std::string>() == "active";
    one.created_at = sql::time(row[3]);
    for (const pqxx::row& service : sql::exec(session, kServices, one.institution_id)) {
      one.services.push_back(service[0].as<std::string>());
    }
    for (const pqxx::row& found : sql::exec(session, kCertificates, one.institution_id)) {
      ClientCertificate certificate;
      const auto thumbprint = sql::bytes(found[0]);
      std::copy_n(thumbprint.begin(), certificate.thumbprint.size(),
                  certificate.thumbprint.begin());
      certificate.subject = found[1].as<std::string>();
      certificate.not_after = sql::time(found[2]);
      certificate.roles = roles_of(found[3]);
      certificate.is_active = found[4].as<std::string>() == "active";
      one.certificates.push_back(std::move(certificate));
    }
    out.push_back(std::move(one));
  }
  return out;
}

std::optional<Institution> find_institution(Session& session, const std::string& name) {
  std::vector<Institution> all = list_institutions(session);
  auto found = std::ranges::find(all, name, &Institution::institution_id);
  if (found == all.end()) found = std::ranges::find(all, name, &Institution::name);
  if (found == all.end()) return std::nullopt;
  return std::move(*found);
}

bool set_institution_active(Session& session, const std::string& institution_id, bool active,
                            pki::Time now) {
  const char* status = active ? "active" : "disabled";
  if (sql::exec(session, kSetStatus, institution_id, status).empty()) return false;
  audit(session, institution_id, now, active ? "institution.enabled" : "institution.disabled",
        institution_id);
  return true;
}

void add_service(Session& session, const std::string& institution_id, const std::string& service_id,
                 pki::Time now) {
  sql::exec(session, kAddService, institution_id, service_id, sql::timestamp(now));
  audit(session, institution_id, now, "service.added", service_id);
}

bool end_service(Session& session, const std::string& institution_id, const std::string& service_id,
                 pki::Time now) {
  if (sql::exec(session, kEndService, institution_id, service_id).empty()) return false;
  audit(session, institution_id, now, "service.ended", service_id);
  return true;
}

void add_certificate(Session& session, const std::string& institution_id,
                     const ClientCertificate& certificate, pki::Time now) {
  sql::exec(session, kAddCertificate, institution_id, sql::bytea(certificate.thumbprint),
            certificate.subject, sql::timestamp(certificate.not_after),
            sql::text_array(certificate.roles.names()), sql::timestamp(now));
  std::string roles;
  for (const std::string& name : certificate.roles.names()) {
    roles += fmt::format("{}\"{}\"", roles.empty() ? "" : ",", name);
  }
  audit(session, institution_id, now, "client_certificate.added",
        pki::to_hex(certificate.thumbprint), fmt::format("{{\"roles\":[{}]}}", roles));
}

bool revoke_certificate(Session& session, const std::string& institution_id,
                        const Thumbprint& thumbprint, pki::Time now) {
  if (sql::exec(session, kRevokeCertificate, institution_id, sql::bytea(thumbprint),
                sql::timestamp(now))
          .empty()) {
    return false;
  }
  audit(session, institution_id, now, "client_certificate.revoked", pki::to_hex(thumbprint));
  return true;
}

}  // namespace server
