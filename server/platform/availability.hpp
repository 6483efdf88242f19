// availability.hpp: asks the authority, for those whose certificate lapsed, whether there is a
// newer one: that is how a bank learns that an update can be fetched, without asking itself. The
// question has no data in its answer and costs nothing.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <span>

#include "server/platform/listed_status.hpp"
#include "server/platform_config.hpp"
#include "server/store/availability.hpp"
#include "server/upstream/gateways.hpp"

namespace server {

// The authority says that a consent has ended of which we did not know. Does to it what is to be
// done; the consent half of the platform brings this. Empty: the subject just waits on.
struct EndedConsent {
  std::string institution_id;
  std::string consent_id;
  AuthorityRefusal why = AuthorityRefusal::consent_withdrawn;  // or consent_expired
};
using OnConsentEnded = std::function<void(Connection&, const EndedConsent&, pki::Time now)>;

// When the authority is asked again after `checks` answers of "not yet": first_check, doubled each
// time, at most last_check; less up to a fifth by `dice`, so that a day's revocations do not come
// back together.
[[nodiscard]] std::chrono::seconds check_pause(const ConsentConfig& config, std::int32_t checks,
                                               std::uint32_t dice);

class AvailabilityChecks {
 public:
  struct Issuer {
    const WatchedIssuer* watched = nullptr;
    const IssuerSnapshot* known = nullptr;
    const IssuerConfig* config = nullptr;
  };
  struct Counts {
    std::uint64_t asked = 0;
    std::uint64_t available = 0;
    std::uint64_t lapsed = 0;
    std::uint64_t rejected = 0;     // the authority answered, and nothing that can be used
    std::uint64_t unavailable = 0;  // the authority did not answer
  };

  // `gateway` works on `io`, which nobody else runs meanwhile. All live longer.
  AvailabilityChecks(const ConsentConfig& config, boost::asio::io_context& io,
                     FourInformationGateway& gateway, OnConsentEnded on_ended);

  // One round: takes up to 64 subjects whose time has come, asks for them, eight at a time, and
  // writes down what was said. Blocks for at most about the gateway's deadline once that fails.
  // A question that the authority can't take, or answers with nonsense, counts as answered "not
  // yet": it is asked less and less often, and keeps no other from being asked.
  // Throws DatabaseUnavailable; what was not written down is asked again in five minutes.
  Counts run(Connection& connection, KeyRing& keys, const std::vector<Issuer>& issuers,
             const std::function<pki::Time()>& clock);

 private:
  struct Asked {
    const DueCheck* check = nullptr;
    std::optional<CertificateAnswer> answer;  // nothing: no answer was to be had
    bool was_rejected = false;                // and no better one will be had soon
  };
  void ask_all(std::vector<Asked>& all);
  [[nodiscard]] boost::asio::awaitable<void> ask_some(std::vector<Asked>& all, std::size_t& next,
                                                      bool& has_failed);
  void record_waiting(Connection& connection, std::span<const Asked> all, pki::Time claimed_until,
                      pki::Time now) const;
  [[nodiscard]] bool is_plain_wait(const Asked& asked, pki::Time now) const;
  void record(Connection& connection, KeyRing& keys, const std::vector<Issuer>& issuers,
              const Asked& asked, pki::Time now, Counts& counts);
  void record_unanswered(Session& session, const Asked& asked, pki::Time now, Counts& counts);
  [[nodiscard]] bool tell_if_ended(Connection& connection, const Asked& asked, pki::Time now);
  void record_newer(Session& session, KeyRing& keys, const Issuer& issuer, const Asked& asked,
                    pki::Time now, Counts& counts);
  void record_none(Session& session, const DueCheck& check, pki::Time now, Counts& counts);

  const ConsentConfig& config_;
  boost::asio::io_context& io_;
  FourInformationGateway& gateway_;
  const OnConsentEnded on_ended_;
};

}  // namespace server
