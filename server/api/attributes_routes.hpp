// attributes_routes.hpp: the addresses of attributes, and of the records of what was given: JSON
// in, JSON out.
#pragma once

#include <vector>

#include "server/api/route.hpp"
#include "server/platform/attribute_service.hpp"
#include "server/platform/record_service.hpp"

namespace server {

// The services must live as long.
[[nodiscard]] std::vector<Route> attributes_routes(AttributeService& service);
[[nodiscard]] std::vector<Route> records_routes(RecordService& service);

}  // namespace server
