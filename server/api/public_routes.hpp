// public_routes.hpp: what anybody with a TLS client certificate may read: the contract, the pages
// about problems, and the keys that sign tokens.
#pragma once

#include <vector>

#include "server/api/route.hpp"
#include "server/platform_config.hpp"
#include "server/store/database.hpp"

namespace server {

// GET /openapi.json, /problems, /problems/{}, /.well-known/jwks.json. Both must outlive the routes.
[[nodiscard]] std::vector<Route> public_routes(const ApiConfig& config, Database& database);

}  // namespace server
