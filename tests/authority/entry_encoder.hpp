// EntryEncoder turns entry indexes of a SerialSet into revokedCertificates entries (RFC 5280 5.1):
//
//   SEQUENCE { userCertificate INTEGER, revocationDate UTCTime, crlEntryExtensions { reasonCode }
//   OPTIONAL }
//
// Date and reason of a generated entry depend on its index and the seed only, so that tomorrow's
// list of the same seed repeats today's entries octet for octet.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "authority/instant.hpp"
#include "authority/serial_set.hpp"

namespace authority {

enum class ReasonMix {
  jpki,  // 62 % affiliationChanged, 18 % superseded, 10 % cessationOfOperation, 3 %
         // certificateHold, 2 % keyCompromise, 5 % without a reason
  none,  // no entry has a reason; the list then has no entry extensions at all
};

class EntryEncoder {
 public:
  static constexpr std::size_t kEntryBytesMax = 64;

  // `set` must outlive the encoder. Generated dates are spread over the five years before
  // `revoked_before`; a named revocation without a date takes `named_date`. Dates must lie in
  // 1950..2049, else Failure.
  EntryEncoder(const SerialSet& set, std::uint64_t seed, ReasonMix mix, Instant revoked_before,
               Instant named_date);

  [[nodiscard]] std::size_t encoded_bytes(std::uint64_t index) const;

  // Writes the entry to `out`, which has kEntryBytesMax octets of room; returns the end of what it
  // wrote.
  [[nodiscard]] std::uint8_t* encode(std::uint64_t index, std::uint8_t* out) const;

 private:
  using DayDigits = std::array<std::uint8_t, 6>;  // YYMMDD

  struct Details {
    std::optional<Reason> reason;
    std::uint32_t window_second;  // since the start of the window
  };
  [[nodiscard]] Details details_at(std::uint64_t index) const;
  [[nodiscard]] std::optional<Reason> reason_of_named(const NamedRevocation& revocation) const;
  [[nodiscard]] std::uint8_t* encode_named(const NamedRevocation& revocation,
                                           std::uint8_t* out) const;

  const SerialSet& set_;
  std::uint64_t details_seed_;
  ReasonMix mix_;
  Instant named_date_;
  std::vector<DayDigits> days_;  // of the window
};

}  // namespace authority
