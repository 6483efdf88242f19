// worker_gateways.hpp: the authority's client of each worker. A client belongs to one thread, and a
// service does not know on which one it runs: the routes say so when they begin.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <memory>
#include <vector>

#include "server/upstream/authority_client.hpp"

namespace server {

class WorkerGateways {
 public:
  // The loops of the workers must live longer, and nothing may run on them when this ends.
  WorkerGateways(std::shared_ptr<AuthorityLink> link, unsigned workers);

  // On a worker's thread, before here(): makes its client when it is first needed.
  void enter(unsigned worker, const boost::asio::any_io_executor& executor);
  // The client of the thread that asks. Throws std::logic_error where enter() was not called.
  [[nodiscard]] AuthorityClient& here() const;

 private:
  std::shared_ptr<AuthorityLink> link_;
  std::vector<std::unique_ptr<AuthorityClient>> clients_;  // each touched by its worker alone
};

}  // namespace server
