// platform_services.hpp: consents, queries and certificates: the services behind those routes, and
// the jobs beside them. Made once by PlatformServer.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "server/api/route.hpp"
#include "server/api/worker_gateways.hpp"
#include "server/config.hpp"
#include "server/platform/attribute_service.hpp"
#include "server/platform/certificate_status.hpp"
#include "server/platform/consent_jobs.hpp"
#include "server/platform/cursor.hpp"
#include "server/platform/record_service.hpp"
#include "server/snapshot_keeper.hpp"

namespace server {

class PlatformServices {
 public:
  struct Needs {
    const Config& config;
    const IssuerSet& issuers;
    const SnapshotKeeper& keeper;
    Database& database;
    KeyRing& keys;
    CursorMaker& cursors;
    std::function<pki::Time()> clock;
    unsigned workers = 1;
  };
  // All of it lives longer. Nothing runs before start(). Throws std::runtime_error that names a
  // file of [authority].
  explicit PlatformServices(const Needs& needs);
  ~PlatformServices();

  [[nodiscard]] std::vector<Route> routes();
  void start();
  // Jobs end, and what of them is in the database's hands.
  void stop();
  void describe(MetricsText& text) const;

 private:
  [[nodiscard]] Route on_worker(Route route);

  const Config& config_;
  std::shared_ptr<AuthorityLink> link_;
  WorkerGateways gateways_;
  PlatformParts parts_;
  TokenService tokens_;
  ConsentService consents_;
  AttributeService attributes_;
  RecordService records_;
  CertificateStatusService status_;
  ConsentJobs jobs_;
};

}  // namespace server
