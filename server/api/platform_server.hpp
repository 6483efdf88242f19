// platform_server.hpp: the institutions' API as a whole: its listener and all that it needs. One
// object of `tashika serve`; the status half runs beside it and does not need it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "server/api/api_handler.hpp"
#include "server/config.hpp"
#include "server/platform/changes_service.hpp"
#include "server/store/database.hpp"
#include "server/store/key_ring.hpp"

namespace server {

class HttpServer;
class TlsContext;
class DatabaseWatch;
class PlatformServices;
class SnapshotKeeper;
struct IssuerSet;
class FanOut;
class ChangeListener;

class PlatformServer {
 public:
  using AskTime = std::function<pki::Time()>;

  // Binds and listens, and starts without its database. `config` has [api], [database] and
  // [authority]; all arguments outlive this. Throws CredentialError, KeyEncryptionFault,
  // std::system_error: each says what is wrong with which file or address.
  PlatformServer(const Config& config, const IssuerSet& issuers, const SnapshotKeeper& keeper,
                 AskTime clock);
  ~PlatformServer();

  void start();

  // Called when draining begins, before the listener ends: what waits (long polls) should answer.
  void on_drain(std::function<void()> hook);
  // Stops accepting, answers what is in flight; nothing runs afterwards.
  void drain();

  // Why the API can't do its work, for /readyz; empty if it can.
  [[nodiscard]] std::string fault() const;
  void describe(MetricsText& text) const;

  // Every route there is.
  [[nodiscard]] const Router& router() const { return *router_; }

 private:
  [[nodiscard]] std::vector<Route> routes();

  const Config& config_;
  const SnapshotKeeper& keeper_;
  const AskTime clock_;
  std::shared_ptr<TlsContext> tls_;
  KeyRing keys_;
  WaitingRoom room_;  // what waits there is left when its loop is destroyed
  // Before what its coroutines refer to, so that it is destroyed after it: what a database thread
  // still has to say goes to a loop that is there.
  std::unique_ptr<HttpServer> http_;
  Database database_;
  CallerCache callers_;
  RateLimiter limiter_;
  RateLimiter failures_;
  CursorMaker cursors_;
  ChangesService changes_;
  std::unique_ptr<PlatformServices> services_;
  std::unique_ptr<Router> router_;
  std::unique_ptr<ApiStats> stats_;
  std::unique_ptr<ApiCommon> common_;
  std::unique_ptr<DatabaseWatch> watch_;
  std::unique_ptr<ChangeListener> listener_;
  std::unique_ptr<FanOut> fan_out_;
  std::vector<std::function<void()>> drain_hooks_;
};

}  // namespace server
