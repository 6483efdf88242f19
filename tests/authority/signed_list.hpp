// A revocation list of moderate size, made in memory from entries at hand: complete or delta, of
// all certificates or of one distribution point. (revocation_list.hpp makes lists of any size from
// generated entries.)
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "authority/certificates.hpp"
#include "authority/der_emitter.hpp"
#include "authority/instant.hpp"
#include "authority/serial.hpp"

namespace authority {

// CRLReason of an entry that takes back what the base list says; in deltas only (RFC 5280 5.3.1).
inline constexpr std::uint8_t kRemoveFromList = 8;

struct ListEntry {
  Serial serial;
  Instant revocation_date = 0;
  std::optional<std::uint8_t> reason;  // CRLReason; nothing: the entry has no extension

  friend bool operator==(const ListEntry&, const ListEntry&) = default;
};

struct ListContent {
  Instant this_update = 0;
  Instant next_update = 0;
  std::uint64_t number = 0;
  std::optional<std::uint64_t> base_number;  // given: the list is a delta
  Octets distribution_point;                 // a DER Name; empty: the list covers all certificates
  std::vector<ListEntry> entries;            // listed in this order
};

// The DER of the signed list. Same arguments, same octets.
[[nodiscard]] Octets sign_list(const Identity& authority, const ListContent& content);

}  // namespace authority
