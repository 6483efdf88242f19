// Books: what one authority knows of the certificates it issued, and since when. Lists are made
// from them, and whatever somebody else says of a certificate is compared with them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "authority/instant.hpp"
#include "authority/serial.hpp"
#include "authority/serial_set.hpp"

namespace authority {

enum class Condition : std::uint8_t { good, held, revoked };

// One line of a certificate's history.
struct Recorded {
  Instant at = 0;  // when it was recorded: lists made at or after this moment say so
  Condition condition = Condition::good;
  std::optional<Reason> reason;  // of a revocation; nothing: a list gives no reasonCode
  Instant revocation_date = 0;   // held and revoked only

  friend bool operator==(const Recorded&, const Recorded&) = default;
};

struct IssuedCertificate {
  Serial serial;
  std::size_t partition = 0;  // which distribution point its revocation stands on
  std::uint32_t person = 0;
  Instant issued_at = 0;
  Instant not_after = 0;
  std::vector<Recorded> history;  // ascending; empty: good since it was issued
};

// The certificates of one authority.
class Books {
 public:
  // Throws Failure if the serial was issued before.
  void issue(IssuedCertificate certificate);

  // Adds a line to a certificate's history. Throws Failure if there is no such serial, or if `line`
  // is older than the newest one.
  void record(const Serial& serial, const Recorded& line);

  // In order of issue.
  [[nodiscard]] const std::vector<IssuedCertificate>& certificates() const { return issued_; }
  [[nodiscard]] const IssuedCertificate* find(const Serial& serial) const;

 private:
  std::vector<IssuedCertificate> issued_;
  std::map<Serial, std::size_t> by_serial_;  // index in issued_
};

// What was known at `moment`: the newest line recorded by then, or a good one.
[[nodiscard]] Recorded known_at(const IssuedCertificate& certificate, Instant moment);

// Whether a list made at `moment` has the certificate: held or revoked, and not yet expired.
[[nodiscard]] bool is_listed_at(const IssuedCertificate& certificate, Instant moment);

}  // namespace authority
