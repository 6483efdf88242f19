// parts.hpp: what the services of the platform work with. Made once by whoever starts the server;
// everything in it outlives the services and may be used by any thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "server/issuer_set.hpp"
#include "server/platform/listed_status.hpp"
#include "server/platform_config.hpp"
#include "server/snapshot.hpp"
#include "server/store/database.hpp"
#include "server/store/key_ring.hpp"
#include "server/upstream/gateways.hpp"

namespace server {

struct PlatformParts {
  Database& database;
  KeyRing& keys;
  const IssuerSet& issuers;
  std::function<std::shared_ptr<const Snapshot>()> snapshot;  // what is served now
  // The gateways of the thread that asks: a gateway belongs to one thread. Throws
  // AuthorityUnavailable where there is none.
  std::function<ConsentGateway&()> consents;
  std::function<FourInformationGateway&()> information;
  std::string base_url;  // names tokens, claims and problems
  ConsentConfig consent;
  std::function<pki::Time()> clock;  // only for what waits for another party in between
};

}  // namespace server
