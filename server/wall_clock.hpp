// wall_clock.hpp: what time it is. Asked where a request, a job or a command begins; whatever
// decides something is given the time.
#pragma once

#include <chrono>

#include "libpki/asn1_time.hpp"

namespace server {

[[nodiscard]] inline pki::Time wall_clock() {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

}  // namespace server
