// SerialSet: which serials are on one list: the first N members of a SerialSpace, and the ones
// named by hand. The same options give the same set to the CRL writer and to those who ask which
// serials to look up.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "authority/instant.hpp"
#include "authority/serial.hpp"
#include "authority/serial_space.hpp"

namespace authority {

// CRLReason, RFC 5280 5.3.1: the ones JPKI uses.
enum class Reason : std::uint8_t {
  key_compromise = 1,
  affiliation_changed = 3,
  superseded = 4,
  cessation_of_operation = 5,
  certificate_hold = 6,
};

// A serial revoked by hand. What is not given is chosen by the CRL writer.
struct NamedRevocation {
  Serial serial;
  std::optional<Reason> reason;
  std::optional<Instant> date;
};

// "SERIAL", "SERIAL:certificateHold" or "SERIAL:certificateHold:2026-04-01T00:00:00Z". Throws
// Failure.
[[nodiscard]] NamedRevocation parse_named_revocation(std::string_view text);

struct SerialSetOptions {
  std::uint64_t entries = 0;
  std::uint64_t seed = 1;
  SerialKind kind = SerialKind::counter;
  std::uint64_t first_serial = 0x02000000;
  std::vector<NamedRevocation> named;
};

class SerialSet {
 public:
  using Visitor = std::function<void(const Serial&)>;

  // Throws Failure if a named serial is named twice or is on the generated part already.
  explicit SerialSet(const SerialSetOptions& options);

  [[nodiscard]] const SerialSpace& space() const { return space_; }
  [[nodiscard]] std::uint64_t generated_count() const { return generated_count_; }
  [[nodiscard]] const std::vector<NamedRevocation>& named() const { return named_; }  // ascending

  // All entries, numbered: the generated ones first, then the named ones.
  [[nodiscard]] std::uint64_t count() const { return generated_count_ + named_.size(); }
  [[nodiscard]] Serial serial_at(std::uint64_t index) const;
  [[nodiscard]] bool contains(const Serial& serial) const;

  // Visits `picks` different serials of the set, chosen by `seed`. Throws Failure if there are
  // fewer.
  void pick_present(std::uint64_t picks, std::uint64_t seed, const Visitor& visit) const;

  // Visits `picks` different serials that are certainly not in the set: for a counter the unused
  // numbers between the entries (a cell holds one entry), otherwise members of the space behind the
  // last entry (no two members are equal). Each is also checked with contains(), which recovers the
  // index of a serial instead of searching.
  void pick_absent(std::uint64_t picks, std::uint64_t seed, const Visitor& visit) const;

 private:
  [[nodiscard]] bool is_named(const Serial& serial) const;

  SerialSpace space_;
  std::uint64_t generated_count_;
  std::vector<NamedRevocation> named_;
};

}  // namespace authority
