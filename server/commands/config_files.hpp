// config_files.hpp: the files that a configuration names, for `tashika serve --check`.
#pragma once

#include "libpki/asn1_time.hpp"
#include "server/config.hpp"
#include "server/issuer_set.hpp"

namespace server {

// All that `serve` would read before it listens; the database is not asked. Throws ConfigError with
// every fault: the files that are missing, or else what is wrong in them.
[[nodiscard]] IssuerSet check_files(const Config& config, pki::Time now);

}  // namespace server
