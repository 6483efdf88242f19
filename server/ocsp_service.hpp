// ocsp_service.hpp: the decision what to answer: request bytes and a time in, response bytes out.
// Knows nothing of HTTP and sockets; one object a thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "libpki/ocsp_request.hpp"
#include "libpki/ocsp_response.hpp"
#include "server/issuer_set.hpp"
#include "server/snapshot.hpp"

namespace server {

// Which issuers an address answers for.
inline constexpr std::uint32_t kEveryIssuer = UINT32_MAX;

class OcspService {
 public:
  OcspService(const IssuerSet& issuers, const OcspConfig& config, std::chrono::seconds clock_skew);

  // The snapshot for all further requests.
  void adopt(std::shared_ptr<const Snapshot> snapshot) { snapshot_ = std::move(snapshot); }
  [[nodiscard]] const std::shared_ptr<const Snapshot>& snapshot() const { return snapshot_; }
  // Lets go of the snapshot, and with it of mapped files that may be deleted.
  void forget() { adopt(nullptr); }

  struct Answer {
    Outcome outcome = Outcome::internal_error;
    pki::Bytes body;               // good until the next call
    CachedResponsePointer cached;  // where the answer may be given again; then `body` is its body
    bool was_cached = false;       // it was signed for an earlier request
  };
  enum class Signing : std::uint8_t {
    fast_only,  // leaves a signature that takes long to another thread
    any,
  };

  // Answers one request, 0 to request_bytes_max untrusted bytes. `scope` is an issuer's number or
  // kEveryIssuer. Nothing, if a slow signature would be needed and `signing` does not allow it.
  //
  // A serial on a list is answered for as long as that list is in force, with its dates; a serial
  // on none for as long as all lists are, with the thisUpdate of the oldest. nextUpdate is when
  // newer information is due, no later than the end of the list and of the responder's certificate.
  // Never anything past the end. A list of issued serials, where there is one, makes "on none"
  // good, or not issued. An unknown issuer is `unauthorized`; several issuers in one request are
  // answered if one responder signs for all of them. Cost: 0.4 us from the cache, else the
  // signature and 3 us.
  [[nodiscard]] std::optional<Answer> answer(pki::Bytes request, std::uint32_t scope, pki::Time now,
                                             Signing signing);

 private:
  // What the CertIDs of a request come to, before anything is signed.
  struct Decision {
    std::size_t responder = 0;
    Outcome outcome = Outcome::good;
    pki::Time this_update;  // of the newest answer
    pki::Time next_update;  // of the first that ends
    pki::Time produced_at;
    pki::ExtendedRevoke extended_revoke = pki::ExtendedRevoke::omit;
  };
  // Either a decision, with responses_ filled, or the error to answer.
  [[nodiscard]] std::optional<Outcome> decide(std::uint32_t scope, pki::Time now, Decision& out);
  [[nodiscard]] std::optional<Outcome> decide_one(const pki::CertId& id, std::uint32_t scope,
                                                  pki::Time now, Decision& out);
  // CrlID, where the issuer wants it.
  void name_list(const ServedIssuer& issuer, const IssuerSnapshot& known,
                 const pki::Finding& finding, pki::SingleResponse& single) const;
  [[nodiscard]] Answer sign(const Decision& decision, const CacheKey& key);
  [[nodiscard]] CachedResponsePointer find_cached(const CacheKey& key, pki::Time now);
  [[nodiscard]] CachedResponsePointer keep(const Decision& decision, const CacheKey& key,
                                           pki::Bytes body);

  const IssuerSet& issuers_;
  const OcspConfig& config_;
  const std::chrono::seconds clock_skew_;
  std::vector<pki::Signer> signers_;  // by responder
  std::shared_ptr<const Snapshot> snapshot_;
  WorkerCache cache_;

  // Used again for each request.
  pki::OcspRequest request_;
  std::vector<pki::SingleResponse> responses_;
  std::vector<std::uint32_t> answered_;  // the issuer of each
  pki::ResponseWriter writer_;
};

}  // namespace server
