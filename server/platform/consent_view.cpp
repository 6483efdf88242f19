#include "server/platform/consent_view.hpp"

#include <fmt/format.h>

#include "libpki/bytes.hpp"
#include "libpki/japan_time.hpp"
#include "server/platform/consent_changes.hpp"

namespace server {
namespace {

nlohmann::ordered_json time_json(const std::optional<pki::Time>& time) {
  if (!time) return nullptr;
  return pki::time_to_rfc3339(*time);
}

}  // namespace

std::string customer_ref_place(const std::string& consent_id) {
  return fmt::format("consent.customer_ref.{}", consent_id);
}

nlohmann::ordered_json consent_json(Session& session, KeyRing& keys, const Consent& consent) {
  nlohmann::ordered_json out = {
      {"consent_id", consent.consent_id},
      {"version", consent.version},
      {"status", to_string(consent.status)},
      {"status_reason", status_reason_json(consent.reason)},
      {"sub", consent.subject_id},
      {"service_id", consent.service_id},
      {"scopes", consent.scopes},
      {"purpose", consent.purpose},
      {"notice",
       {{"version", consent.notice_version},
        {"language", consent.notice_language},
        {"sha256", pki::to_hex(consent.notice_sha256)}}},
      {"channel", consent.channel},
      {"consented_at", pki::time_to_rfc3339(consent.consented_at)},
      {"received_at", pki::time_to_rfc3339(consent.received_at)},
      {"effective_at", time_json(consent.reflected_at)},
      {"valid_from", time_json(consent.valid_from)},
      {"valid_until", time_json(consent.valid_until)},
      {"withdrawal_uri", fmt::format("/v1/consents/{}/withdrawal", consent.consent_id)}};
  if (consent.replaced_by) out["replaced_by"] = *consent.replaced_by;
  if (!consent.customer_ref_sealed.empty()) {
    const auto plain =
        keys.open_for(session, consent.institution_id, customer_ref_place(consent.consent_id),
                      consent.customer_ref_sealed);
    out["customer_ref"] = std::string(plain.begin(), plain.end());
  }
  return out;
}

}  // namespace server
