// certificates_routes.hpp: the address where an institution asks what its certificates are worth.
#pragma once

#include <vector>

#include "server/api/route.hpp"
#include "server/platform/certificate_status.hpp"

namespace server {

// POST /v1/certificates/status:
//   {"certificate_ids": ["crt_…"], "consent_ids": ["cns_…"]}     one of them, or both; 1000 at most
//   {"results": [{"certificate_id": "crt_…", "consent_id": "cns_…", "status": "revoked",
//                 "reason": "affiliationChanged", "revoked_at": "…", "as_of": "…",
//                 "valid_until": "…", "crl_number": "12", "method": "crl"},
//                {"consent_id": "cns_…", "problem": {"code": "not-found", "status": 404}}]}
// in the order of the question, certificates first. The service must live as long.
[[nodiscard]] std::vector<Route> certificates_routes(CertificateStatusService& service);

}  // namespace server
