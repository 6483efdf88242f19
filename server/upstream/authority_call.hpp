// authority_call.hpp: one question on its way: the deadline, the attempts, the breaker.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <random>

#include "server/upstream/authority_link.hpp"
#include "server/upstream/connection_pool.hpp"

namespace server {

class AuthorityCall {
 public:
  using Clock = std::chrono::steady_clock;
  // Understands an answer, or throws ReplyFault.
  using Read = std::function<void(const AuthorityReply&)>;

  // `random` is that of the client.
  AuthorityCall(std::shared_ptr<AuthorityLink> link, std::shared_ptr<ConnectionPool> pool,
                std::shared_ptr<std::minstd_rand> random, AuthorityRequest request)
      : link_(std::move(link)),
        pool_(std::move(pool)),
        random_(std::move(random)),
        request_(std::move(request)) {}

  // Until `read` has understood an answer. Throws AuthorityUnavailable, and
  // system_error(operation_aborted) if cancelled. The call must live until then.
  [[nodiscard]] boost::asio::awaitable<void> run(Read read);

 private:
  [[nodiscard]] boost::asio::awaitable<void> attempt(const Read& read);
  [[nodiscard]] boost::asio::awaitable<AuthorityReply> converse(ConnectionPool::Lease& lease);
  // The pause before the next attempt; nothing if there must be none.
  [[nodiscard]] std::optional<std::chrono::milliseconds> pause_after(const AttemptFailed& failure);
  [[noreturn]] void give_up(const AttemptFailed& failure) const;
  void check_breaker() const;

  const std::shared_ptr<AuthorityLink> link_;
  const std::shared_ptr<ConnectionPool> pool_;
  const std::shared_ptr<std::minstd_rand> random_;
  const AuthorityRequest request_;
  const Clock::time_point deadline_ = Clock::now() + link_->config().timeout;
  unsigned attempts_ = 0;
};

}  // namespace server
