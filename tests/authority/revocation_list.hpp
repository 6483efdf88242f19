// write_revocation_list makes a signed v2 CRL of any size as a stream: nothing is kept per entry.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "authority/entry_encoder.hpp"
#include "authority/entry_order.hpp"
#include "authority/instant.hpp"
#include "authority/serial_set.hpp"

namespace authority {

struct RevocationListOptions {
  std::filesystem::path certificate;  // PEM, of the authority
  std::filesystem::path key;          // PEM
  std::filesystem::path output;
  SerialSetOptions serials;
  Order order = Order::shuffled;
  ReasonMix reasons = ReasonMix::jpki;
  std::string number = "1";        // CRLNumber, decimal, at most 20 octets
  std::string base_number;         // of a delta (RFC 5280 5.2.4); empty: a complete list
  std::string distribution_point;  // the common name of the one it is for; empty: for all
  Instant this_update = 0;
  Instant next_update = 0;
  Instant revoked_before = 0;  // generated entries were revoked in the five years before
};

struct RevocationListSummary {
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0;
};

// Throws Failure; `output` then is what it was before.
RevocationListSummary write_revocation_list(const RevocationListOptions& options);

}  // namespace authority
