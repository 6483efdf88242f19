// consent_view.hpp: a consent as the API shows it (openapi.json, Consent).
#pragma once

#include <nlohmann/json.hpp>

#include "server/store/consents.hpp"
#include "server/store/key_ring.hpp"

namespace server {

// Opens the institution's own customer reference: a session of the institution.
[[nodiscard]] nlohmann::ordered_json consent_json(Session& session, KeyRing& keys,
                                                  const Consent& consent);

// Where a customer reference is sealed: the `place` of KeyRing::seal_for.
[[nodiscard]] std::string customer_ref_place(const std::string& consent_id);

}  // namespace server
