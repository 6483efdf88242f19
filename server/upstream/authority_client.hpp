// authority_client.hpp: the gateways to the authority, over HTTPS: asks, asks again where that may
// help, and gives up in time.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <memory>
#include <random>
#include <string>

#include "server/upstream/authority_link.hpp"
#include "server/upstream/connection_pool.hpp"
#include "server/upstream/gateways.hpp"

namespace server {

// One for each worker, used on the thread of its executor only; the link is shared by all.
//
// One deadline (`timeout`) covers a question, waiting, connecting and all attempts. An attempt
// that failed in passing (no connection, a connection that ended, 500, 502, 503, 504) is made
// again, three times at most, after a pause, while the link's budget of retries lasts: every
// request may be sent twice, by its request_id or by its nature. An idle connection that turns out
// to be dead does not count as an attempt. Whatever fails counts for the circuit breaker; a
// considered No does not.
//
// Cost beyond the network's: about 70 microseconds of processor time a question.
class AuthorityClient : public ConsentGateway, public FourInformationGateway {
 public:
  AuthorityClient(boost::asio::any_io_executor executor, std::shared_ptr<AuthorityLink> link);
  ~AuthorityClient() override;  // close()
  AuthorityClient(const AuthorityClient&) = delete;
  AuthorityClient& operator=(const AuthorityClient&) = delete;

  // Who is asking gets AuthorityUnavailable{shutting_down} soon afterwards, by the executor.
  void close();

  [[nodiscard]] boost::asio::awaitable<std::variant<RegisteredConsent, AuthorityRefusal>>
  register_consent(const ConsentRegistration& registration) override;
  [[nodiscard]] boost::asio::awaitable<std::variant<AuthorityWithdrawal, AuthorityRefusal>>
  withdraw(const std::string& authority_consent_id) override;
  // Fewer than `limit` if so many might not fit into response_bytes_max.
  [[nodiscard]] boost::asio::awaitable<WithdrawalPage> withdrawals_after(
      std::uint64_t sequence, std::uint32_t limit) override;
  [[nodiscard]] boost::asio::awaitable<InformationAnswer> ask(
      const InformationQuestion& question) override;
  [[nodiscard]] boost::asio::awaitable<CertificateAnswer> newer_certificate(
      const std::string& authority_consent_id, const CertificateName& certificate) override;

 private:
  template <class Answer, class Read>
  [[nodiscard]] boost::asio::awaitable<Answer> answer(AuthorityRequest request, Read read);

  std::shared_ptr<AuthorityLink> link_;
  std::shared_ptr<ConnectionPool> pool_;
  std::shared_ptr<std::minstd_rand> random_;  // of the pauses
};

}  // namespace server
