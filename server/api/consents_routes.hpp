// consents_routes.hpp: the addresses of consents and their tokens: JSON in, JSON out. What happens,
// consent_service.hpp knows.
#pragma once

#include <vector>

#include "server/api/route.hpp"
#include "server/platform/consent_service.hpp"

namespace server {

// The service must live as long.
[[nodiscard]] std::vector<Route> consents_routes(ConsentService& service);

// Reads what was signed (openapi.json, ConsentDocument): EvidenceChecker::ReadDocument. Throws
// Problem(evidence_malformed).
[[nodiscard]] SignedDocument read_consent_document(std::string_view json);

[[nodiscard]] Asker asker_of(const ApiRequest& request);
[[nodiscard]] IdempotentRequest idempotent_of(const ApiRequest& request);
// `limit`: 1 to 1000, 200 if it is not there. Throws Problem(value_out_of_range).
[[nodiscard]] std::uint32_t limit_of(const ApiRequest& request);
[[nodiscard]] std::string parameter_of(const ApiRequest& request, const std::string& name);

}  // namespace server
