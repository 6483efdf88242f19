// idempotent.hpp: the answer to a request that may come twice: kept sealed for a day, and given
// again.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "server/store/idempotency.hpp"
#include "server/store/key_ring.hpp"

namespace server {

struct Answer {
  unsigned status = 200;
  nlohmann::ordered_json body;
  enum class Source : std::uint8_t { now, replay };
  Source source = Source::now;
};

// Who began a request and was not heard of for so long has died: longer than all time-outs of a
// request together.
inline constexpr std::chrono::seconds kRequestAbandoned{20};
inline constexpr std::chrono::hours kAnswersKept{24};

// claim_idempotency; throws Problem(idempotency_key_reused) and Problem(idempotency_in_progress).
[[nodiscard]] IdempotencyClaim claim_or_refuse(Session& session, const IdempotentRequest& request,
                                               const std::string& object_id, pki::Time now);

// Keeps what is answered, sealed, in the transaction of the effect.
void keep_answer(Session& session, KeyRing& keys, const IdempotentRequest& request,
                 const Answer& answer);
// The same, for whoever writes it down together with other things.
[[nodiscard]] std::vector<std::uint8_t> seal_answer(Session& session, KeyRing& keys,
                                                    const IdempotentRequest& request,
                                                    const Answer& answer);
// What was kept for a claim that is done.
[[nodiscard]] Answer kept_answer(Session& session, KeyRing& keys, const IdempotentRequest& request,
                                 const IdempotencyClaim& claim);

}  // namespace server
