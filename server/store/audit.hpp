// audit.hpp: the log that proves itself. Every change of state is one row; each institution's rows
// are a chain, each holding the SHA-256 of the one before it. Room is left for a Merkle tree over
// the hashes.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "libpki/asn1_time.hpp"
#include "libpki/crypto.hpp"
#include "server/store/connection.hpp"

namespace server {

struct AuditEntry {
  std::string
      actor;  // a client certificate's thumbprint in hex, "operator", "authority", "platform"
  std::string verb;           // "consent.registered", "disclosure.completed", …
  std::string object;         // the id that it happened to
  std::string detail = "{}";  // JSON without personal data
};

// Adds a row in the session's transaction. Takes the row lock of the institution's chain until the
// commit: make it the last thing that a transaction does. `institution_id` may be left out where
// the session has one. Travels with the commit.
void append_audit(Session& session, pki::Time now, const AuditEntry& entry,
                  const std::string& institution_id = {});
// The chain of a new institution.
void begin_audit(Session& session, const std::string& institution_id);

// Throws std::logic_error if a field has a line feed: two entries would have one hash.
void require_lines(const AuditEntry& entry);

// SHA-256 over the row as text, and the hash before it.
//   "tashika audit 1\n" institution "\n" seq "\n" at "\n" actor "\n" verb "\n" object "\n" detail
//   "\n" previous
// with the time as RFC 3339 in whole seconds and `previous` in hexadecimal; no field holds a line
// feed.
[[nodiscard]] pki::Digest audit_hash(const std::string& institution_id, std::int64_t seq,
                                     pki::Time at, const AuditEntry& entry, pki::Bytes previous);

struct AuditFault {
  std::string institution_id;
  std::int64_t seq = 0;  // the first row that is not what was written
  std::string what;
};

// The newest row of an institution's chain. Kept elsewhere, it anchors all before it.
struct AuditHead {
  std::string institution_id;
  std::int64_t seq = 0;  // 0: nothing happened yet
  std::vector<std::uint8_t> hash;
};

struct AuditReport {
  std::uint64_t rows = 0;
  std::vector<AuditHead> heads;    // of each institution
  std::vector<AuditFault> faults;  // the first of each institution
};

// Walks every chain from its first row, past the heads of an earlier report, if there are any:
// without those, a chain that was cut short together with its head looks whole. Cost: about 3 us a
// row; memory does not grow. The platform's snapshot, since rows are written meanwhile.
// `told` hears now and then how many rows of how many were walked.
using AuditProgress = std::function<void(std::uint64_t rows, std::uint64_t rows_total)>;
[[nodiscard]] AuditReport verify_audit(Session& session, const std::vector<AuditHead>& earlier,
                                       const AuditProgress& told);

}  // namespace server
