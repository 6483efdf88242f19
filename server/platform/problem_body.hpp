// problem_body.hpp: a Problem as application/problem+json (RFC 9457), for bodies and for the
// results inside of batches.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "server/platform/problem.hpp"

namespace server {

inline constexpr std::string_view kProblemMediaType = "application/problem+json";

// Members type, title, status, detail, instance, code, retryable, action, errors. `instance` names
// the request, as urn:uuid; not-found has none and always the same detail, so that an unknown id
// and somebody else's get the same octets.
[[nodiscard]] nlohmann::ordered_json problem_json(const Problem& problem, std::string_view base_url,
                                                  std::string_view request_id);

}  // namespace server
