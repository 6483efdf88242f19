// idempotency.hpp: requests that may be sent twice and must act once: rows of the table
// `idempotency`. A row is claimed in the transaction that begins the effect, and finished in the
// one that ends it. Sessions of the institution, where not said otherwise.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libpki/asn1_time.hpp"
#include "server/store/connection.hpp"

namespace server {

struct IdempotentRequest {
  std::string key;                   // as the client chose it; empty: nothing is kept
  std::vector<std::uint8_t> sha256;  // of method, target and body
};

struct IdempotencyClaim {
  enum class State : std::uint8_t {
    fresh,          // ours: nobody has begun it
    taken_over,     // ours: who began it has not been heard of since `abandoned_before`
    running,        // somebody else's, now
    done,           // status and response are what was answered
    other_request,  // the key belongs to another request
  };
  State state = State::fresh;
  std::string object_id;  // of fresh ones what was given; else what the first request made
  unsigned status = 0;
  std::vector<std::uint8_t> response_sealed;
};

// Claims the key for this request, or says whose it is. Where another transaction is claiming it,
// waits for that one to end, so equal requests at the same time give one `fresh`.
[[nodiscard]] IdempotencyClaim claim_idempotency(Session& session, const IdempotentRequest& request,
                                                 const std::string& object_id, pki::Time now,
                                                 pki::Time abandoned_before);

// What is answered from now on.
void finish_idempotency(Session& session, const IdempotentRequest& request, unsigned status,
                        const std::vector<std::uint8_t>& response_sealed);
// Whoever sends the same request again takes it over, at once: as if it had begun at `begun_at`.
void put_off_idempotency(Session& session, const IdempotentRequest& request, pki::Time begun_at);
// What was answered about a consent's data is kept no more. Either kind of session.
void forget_disclosed(Session& session, const std::string& institution_id,
                      const std::string& consent_id);

// Forgets what was begun before `before`; returns how many. Platform session.
std::size_t prune_idempotency(Session& session, pki::Time before, std::uint32_t limit);

}  // namespace server
