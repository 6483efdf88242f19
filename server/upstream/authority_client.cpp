#include "server/upstream/authority_client.hpp"

#include <algorithm>
#include <boost/system/system_error.hpp>
#include <optional>
#include <utility>

#include "server/upstream/authority_call.hpp"

namespace server {

namespace asio = boost::asio;

namespace {

constexpr std::uint32_t kWithdrawalBytes = 640;  // of one in a page, and some more
constexpr std::uint32_t kWithdrawalsMax = 1000;

template <class Answer>
AuthorityOutcome outcome_of(const Answer&) {
  return AuthorityOutcome::done;
}

template <class... Answers>
AuthorityOutcome outcome_of(const std::variant<Answers...>& answer) {
  return std::visit(
      []<class T>(const T&) {
        if constexpr (std::is_same_v<T, NoNewerInformation>) {
          return AuthorityOutcome::no_newer_information;
        } else if constexpr (std::is_same_v<T, AwaitingCertificate>) {
          return AuthorityOutcome::awaiting_certificate;
        } else if constexpr (std::is_same_v<T, AuthorityRefusal>) {
          return AuthorityOutcome::refused;
        } else {
          return AuthorityOutcome::done;
        }
      },
      answer);
}

std::uint32_t yen_of(const InformationAnswer& answer) {
  const auto* const provided = std::get_if<ProvidedInformation>(&answer);
  return provided == nullptr ? 0 : provided->billable_yen;
}

template <class Answer>
std::uint32_t yen_of(const Answer&) {
  return 0;
}

// Counts a request when it ends, however it ends.
class Tally {
 public:
  Tally(AuthorityStats& stats, AuthorityRequestKind kind)
      : stats_(stats), kind_(static_cast<std::size_t>(kind)) {}
  Tally(const Tally&) = delete;
  Tally& operator=(const Tally&) = delete;
  ~Tally() {
    const auto spent = std::chrono::steady_clock::now() - begun_;
    add(stats_.requests.at(kind_).at(static_cast<std::size_t>(outcome)), 1);
    add(stats_.nanoseconds.at(kind_), static_cast<std::uint64_t>(spent.count()));
  }
  AuthorityOutcome outcome = AuthorityOutcome::cancelled;

 private:
  static void add(AuthorityStats::Count& count, std::uint64_t by) {
    count.fetch_add(by, std::memory_order_relaxed);
  }
  AuthorityStats& stats_;
  const std::size_t kind_;
  const std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
};

// Everything that the coroutine needs is in its frame: the client may end before it.
template <class Answer, class Read>
asio::awaitable<Answer> answer_of(std::shared_ptr<AuthorityLink> link,
                                  std::shared_ptr<ConnectionPool> pool,
                                  std::shared_ptr<std::minstd_rand> random,
                                  AuthorityRequest request, Read read) {
  Tally tally(link->stats, request.kind);
  AuthorityCall call(link, std::move(pool), std::move(random), std::move(request));
  std::optional<Answer> answer;
  try {
    co_await call.run([&](const AuthorityReply& reply) { answer.emplace(read(reply)); });
  } catch (const AuthorityUnavailable&) {
    tally.outcome = AuthorityOutcome::unavailable;
    throw;
  }
  tally.outcome = outcome_of(*answer);
  link->stats.yen.fetch_add(yen_of(*answer), std::memory_order_relaxed);
  co_return std::move(*answer);
}

}  // namespace

AuthorityClient::AuthorityClient(asio::any_io_executor executor,
                                 std::shared_ptr<AuthorityLink> link)
    : link_(std::move(link)),
      pool_(std::make_shared<ConnectionPool>(std::move(executor), link_)),
      random_(std::make_shared<std::minstd_rand>(std::random_device()())) {}

AuthorityClient::~AuthorityClient() {
  close();
}

void AuthorityClient::close() {
  pool_->close();
}

template <class Answer, class Read>
asio::awaitable<Answer> AuthorityClient::answer(AuthorityRequest request, Read read) {
  return answer_of<Answer>(link_, pool_, random_, std::move(request), std::move(read));
}

asio::awaitable<std::variant<RegisteredConsent, AuthorityRefusal>>
AuthorityClient::register_consent(const ConsentRegistration& registration) {
  return answer<std::variant<RegisteredConsent, AuthorityRefusal>>(consent_request(registration),
                                                                   read_consent);
}

asio::awaitable<std::variant<AuthorityWithdrawal, AuthorityRefusal>> AuthorityClient::withdraw(
    const std::string& authority_consent_id) {
  return answer<std::variant<AuthorityWithdrawal, AuthorityRefusal>>(
      withdrawal_request(authority_consent_id), read_withdrawal);
}

asio::awaitable<WithdrawalPage> AuthorityClient::withdrawals_after(std::uint64_t sequence,
                                                                   std::uint32_t limit) {
  const std::uint32_t fitting = link_->config().response_bytes_max / kWithdrawalBytes;
  const std::uint32_t count = std::clamp(std::min(limit, fitting), 1U, kWithdrawalsMax);
  return answer<WithdrawalPage>(withdrawals_request(sequence, count),
                                [sequence, count](const AuthorityReply& reply) {
                                  return read_withdrawals(reply, sequence, count);
                                });
}

asio::awaitable<InformationAnswer> AuthorityClient::ask(const InformationQuestion& question) {
  return answer<InformationAnswer>(information_request(question),
                                   [items = question.items](const AuthorityReply& reply) {
                                     return read_information(reply, items);
                                   });
}

asio::awaitable<CertificateAnswer> AuthorityClient::newer_certificate(
    const std::string& authority_consent_id, const CertificateName& certificate) {
  return answer<CertificateAnswer>(certificate_request(authority_consent_id, certificate),
                                   read_certificate);
}

}  // namespace server
