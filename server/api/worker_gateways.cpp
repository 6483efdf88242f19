#include "server/api/worker_gateways.hpp"

#include <stdexcept>

namespace server {
namespace {

thread_local AuthorityClient* client_here = nullptr;

}  // namespace

WorkerGateways::WorkerGateways(std::shared_ptr<AuthorityLink> link, unsigned workers)
    : link_(std::move(link)), clients_(workers) {}

void WorkerGateways::enter(unsigned worker, const boost::asio::any_io_executor& executor) {
  std::unique_ptr<AuthorityClient>& client = clients_.at(worker);
  if (!client) client = std::make_unique<AuthorityClient>(executor, link_);
  client_here = client.get();
}

AuthorityClient& WorkerGateways::here() const {
  if (client_here == nullptr) throw std::logic_error("the authority was asked outside of a route");
  return *client_here;
}

}  // namespace server
