// ocsp_service.hpp: the decision what to answer: request bytes and a time in, response bytes out.
// Knows nothing of HTTP and sockets; one object a thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "libpki/ocsp_request.hpp"
#include "libpki/ocsp_response.hpp"
#include "server/index_directory.hpp"
#include "server/issuer_set.hpp"
#include "server/response_cache.hpp"

namespace server {

// What is served at one moment: an index for each issuer, and the responses that were made of them.
// Replaced as a whole; a request sees one snapshot from beginning to end.
struct Snapshot {
  std::vector<std::shared_ptr<const OpenIndex>> indexes;  // by issuer; null if there is none yet
  std::shared_ptr<ResponseCache> responses;
};

// Which issuers an address answers for.
inline constexpr std::uint32_t kEveryIssuer = UINT32_MAX;

class OcspService {
 public:
  OcspService(const IssuerSet& issuers, const OcspConfig& config, std::chrono::seconds clock_skew);

  // The snapshot for all further requests.
  void adopt(std::shared_ptr<const Snapshot> snapshot);
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
  // Never "good" past nextUpdate; thisUpdate is the list's, nextUpdate no later than the end of the
  // list and of the responder's certificate; an unknown issuer is `unauthorized`; several issuers
  // in one request are answered if one responder signs for all of them. Cost: 0.4 us from the
  // cache, else the signature and 3 us.
  [[nodiscard]] std::optional<Answer> answer(pki::Bytes request, std::uint32_t scope, pki::Time now,
                                             Signing signing);

 private:
  // What the CertIDs of a request come to, before anything is signed.
  struct Decision {
    std::size_t responder = 0;
    Outcome outcome = Outcome::good;
    pki::Time this_update;
    pki::Time next_update;
  };
  // Either a decision, with responses_ filled, or the error to answer.
  [[nodiscard]] std::optional<Outcome> decide(std::uint32_t scope, pki::Time now, Decision& out);
  [[nodiscard]] std::optional<Outcome> decide_one(const pki::CertId& id, std::uint32_t scope,
                                                  pki::Time now, Decision& out);
  [[nodiscard]] Answer sign(const Decision& decision, pki::Time now, const CacheKey& key);

  const IssuerSet& issuers_;
  const OcspConfig& config_;
  const std::chrono::seconds clock_skew_;
  std::vector<pki::Signer> signers_;  // by responder
  std::shared_ptr<const Snapshot> snapshot_;
  WorkerCache cache_;

  // Used again for each request.
  pki::OcspRequest request_;
  std::vector<pki::SingleResponse> responses_;
  pki::ResponseWriter writer_;
};

}  // namespace server
