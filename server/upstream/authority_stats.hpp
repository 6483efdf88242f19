// authority_stats.hpp: what is counted of the questions to the authority.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "server/upstream/authority_protocol.hpp"

namespace server {

enum class AuthorityOutcome : std::uint8_t {
  done,  // provided, registered, withdrawn, read
  no_newer_information,
  awaiting_certificate,
  refused,
  unavailable,
  cancelled,
};
inline constexpr std::size_t kAuthorityOutcomes = 6;
inline constexpr std::size_t kAuthorityTroubles = 10;

// Any thread writes and reads.
struct AuthorityStats {
  using Count = std::atomic<std::uint64_t>;
  std::array<std::array<Count, kAuthorityOutcomes>, kAuthorityRequestKinds> requests{};
  std::array<Count, kAuthorityRequestKinds> nanoseconds{};  // of all requests that ended
  std::array<Count, kAuthorityTroubles> troubles{};         // of attempts
  Count retries{};
  Count connections_opened{};
  Count yen{};  // as the authority says
  // Now:
  std::atomic<std::int64_t> connections_in_use{};
  std::atomic<std::int64_t> connections_idle{};
  std::atomic<std::int64_t> waiting{};
};

[[nodiscard]] std::string_view to_string(AuthorityOutcome outcome);

}  // namespace server
