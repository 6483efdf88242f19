// changes_routes.hpp: the addresses of the feed. What a page is, changes_service.hpp knows.
#pragma once

#include <vector>

#include "server/api/route.hpp"
#include "server/platform/changes_service.hpp"

namespace server {

// GET /v1/changes and PUT /v1/changes/acknowledgement. The service must live as long.
[[nodiscard]] std::vector<Route> changes_routes(ChangesService& service);

}  // namespace server
