// institutions.hpp: who may use the API: institutions, their services, and their client
// certificates.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libpki/asn1_time.hpp"
#include "server/store/connection.hpp"

namespace server {

using Thumbprint = std::array<std::uint8_t, 32>;  // SHA-256 of a certificate's DER

// What a client certificate may be used for.
enum class Role : std::uint8_t { poller = 1, query = 2, consent_admin = 4 };

class Roles {
 public:
  void add(Role role) { bits_ |= static_cast<unsigned>(role); }
  [[nodiscard]] bool has(Role role) const { return (bits_ & static_cast<unsigned>(role)) != 0; }
  [[nodiscard]] bool is_empty() const { return bits_ == 0; }
  // "poller", "query", "consent-admin".
  [[nodiscard]] std::vector<std::string> names() const;
  // Nothing if one of the names is none.
  [[nodiscard]] static std::optional<Roles> from_names(const std::vector<std::string>& names);

 private:
  unsigned bits_ = 0;
};

// Who calls, by the certificate of the connection.
struct Caller {
  std::string institution_id;
  std::string institution_name;
  Roles roles;
  bool is_institution_active = false;
  bool is_certificate_active = false;
};

// Nothing if nobody registered that certificate. Needs no institution. One statement.
[[nodiscard]] std::optional<Caller> authenticate(Session& session, const Thumbprint& thumbprint);
// Are the session's institution and its certificate of that thumbprint still let in?
[[nodiscard]] bool is_client_active(Session& session, const Thumbprint& thumbprint);

// The channel that every change below is notified on: what was looked up before may be wrong then.
inline constexpr const char* kInstitutionsChannel = "tashika_institutions";

// --- for the commands: platform sessions; each writes its audit row ---

struct ClientCertificate {
  Thumbprint thumbprint{};
  std::string subject;
  pki::Time not_after;
  Roles roles;
  bool is_active = true;
};

struct Institution {
  std::string institution_id;
  std::string name;
  bool is_active = true;
  pki::Time created_at;
  std::vector<std::string> services;  // that have not ended
  std::vector<ClientCertificate> certificates;
};

// Without its data key, which the key ring adds. Throws AlreadyThere, also for a name that differs
// from another in capitals only.
[[nodiscard]] std::string add_institution(Session& session, const std::string& name, pki::Time now);
[[nodiscard]] std::vector<Institution> list_institutions(Session& session);
// By id or name. Nothing if there is none.
[[nodiscard]] std::optional<Institution> find_institution(Session& session,
                                                          const std::string& name);
// False if it was so already.
bool set_institution_active(Session& session, const std::string& institution_id, bool active,
                            pki::Time now);
// Throws AlreadyThere.
void add_service(Session& session, const std::string& institution_id, const std::string& service_id,
                 pki::Time now);
// False if there is no such service, or it has ended.
bool end_service(Session& session, const std::string& institution_id, const std::string& service_id,
                 pki::Time now);
// Throws AlreadyThere, whoever has it.
void add_certificate(Session& session, const std::string& institution_id,
                     const ClientCertificate& certificate, pki::Time now);
// False if the institution has no such certificate, or it is revoked.
bool revoke_certificate(Session& session, const std::string& institution_id,
                        const Thumbprint& thumbprint, pki::Time now);

}  // namespace server
