#include "server/platform/idempotent.hpp"

#include <fmt/format.h>

#include "server/platform/problem.hpp"

namespace server {
namespace {

std::string place_of(const IdempotentRequest& request) {
  return fmt::format("idempotency.response.{}", request.key);
}

}  // namespace

IdempotencyClaim claim_or_refuse(Session& session, const IdempotentRequest& request,
                                 const std::string& object_id, pki::Time now) {
  using State = IdempotencyClaim::State;
  auto claim = claim_idempotency(session, request, object_id, now, now - kRequestAbandoned);
  if (claim.state == State::other_request) throw Problem(ProblemKind::idempotency_key_reused);
  if (claim.state == State::running) {
    throw Problem(ProblemKind::idempotency_in_progress).retry_after(std::chrono::seconds{1});
  }
  return claim;
}

std::vector<std::uint8_t> seal_answer(Session& session, KeyRing& keys,
                                      const IdempotentRequest& request, const Answer& answer) {
  const std::string text = answer.body.dump();
  return keys.seal_for(session, session.institution_id(), place_of(request), pki::as_bytes(text));
}

void keep_answer(Session& session, KeyRing& keys, const IdempotentRequest& request,
                 const Answer& answer) {
  if (request.key.empty()) return;
  finish_idempotency(session, request, answer.status, seal_answer(session, keys, request, answer));
}

Answer kept_answer(Session& session, KeyRing& keys, const IdempotentRequest& request,
                   const IdempotencyClaim& claim) {
  const auto text =
      keys.open_for(session, session.institution_id(), place_of(request), claim.response_sealed);
  return {claim.status, nlohmann::ordered_json::parse(text.begin(), text.end()),
          Answer::Source::replay};
}

}  // namespace server
