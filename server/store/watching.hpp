// watching.hpp: the certificates that are watched, and how far change detection is with their
// issuers. Knows nothing of index files: what a list says comes in as a ListedStatus.
//
// Nothing is missed between a registration and a publish, if each keeps to its part:
//
//   a registration, in ONE short transaction:
//     1. lock_issuer(): takes the issuer's advisory lock shared until the transaction ends, and
//        then reads target_generation. A query has its lock_answer_grounds() (query_steps.hpp) for
//        that, which is hold_issuer() and a statement that reads more; or it remembers the target
//        and has expect_answer_grounds() verify it under the lock, after step 2;
//     2. looks the certificate up in a generation whose number is at least that target. A server
//        whose snapshot is older rolls back and tries again with a newer one (IssuerBehind);
//     3. add_subject(), add_watched_certificate() with that generation, commit. A query, which has
//        the subject: add_new_certificate() or hold_or_add_certificate().
//   detection, before it reads the first row:
//     announce(): takes the lock alone, writes target_generation, commits.
//
// So a row that was committed before the announcement is seen by the join with the difference, and
// one that comes later was checked against the target or something newer. Rows that were checked
// against something newer than a difference leads to are left alone by it (checked_generation).
//
// Locks are taken in this order: issuer (advisory), subject rows, consent rows, the rest.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "libpki/asn1_time.hpp"
#include "libpki/revocation.hpp"
#include "server/store/connection.hpp"
#include "server/store/key_ring.hpp"

namespace server {

// SHA-256 of the issuer's public key, as in CertID.issuerKeyHash (RFC 6960 4.1.1): how the database
// and the authority name an issuer. (Index files have the hash of the SubjectPublicKeyInfo.)
using IssuerKeyHash = std::array<std::uint8_t, 32>;

enum class CertificateStatus : std::uint8_t { good, held, revoked, expired };
[[nodiscard]] std::string_view name_of(CertificateStatus status);
// The reverse, of what name_of gave.
[[nodiscard]] CertificateStatus status_of(std::string_view name);

// What the lists of one generation say of a certificate.
struct ListedStatus {
  CertificateStatus status = CertificateStatus::good;  // never expired: lists can't tell
  std::optional<pki::Revocation> revocation;           // of held and revoked
  pki::Time as_of;                                     // thisUpdate of the lists that say so
  std::string crl_number;  // decimal, of the list that had the last word; empty if it took several
};

// The server's lists are older than what detection is working with. Try again in a moment.
class IssuerBehind : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct GenerationName {
  std::uint64_t number = 0;    // 0: none yet
  std::uint64_t checksum = 0;  // of the head of the file that was published last

  friend bool operator==(const GenerationName&, const GenerationName&) = default;
};

struct IssuerPosition {
  GenerationName detected;      // all watched certificates are as this one says
  GenerationName target;        // detection is on its way to this one, or there
  std::uint64_t numbering = 0;  // how often numbers have begun again

  // What a certificate was checked against, as rows have it: whatever is of an earlier numbering
  // comes before all of this one.
  [[nodiscard]] std::uint64_t checked(std::uint64_t number) const {
    return (numbering << 40) + number;
  }
};

// Makes the issuer known, so that its certificates can be watched. Idempotent. Platform session.
void register_issuer(Session& session, const IssuerKeyHash& issuer, const std::string& name);

// Step 1 above. Nothing if the issuer was never registered: none of its lists were taken in yet.
[[nodiscard]] std::optional<IssuerPosition> lock_issuer(Session& session,
                                                        const IssuerKeyHash& issuer);
// The lock alone, for what reads the position in a later statement: not in the same one, which
// would see what was there before it waited.
void hold_issuer(Session& session, const IssuerKeyHash& issuer);

// --- registering: sessions of the institution, or of the platform ---

struct NewSubject {
  std::string institution_id;
  std::string subject_id;
  std::string certificate_id;  // known and watched
};
void add_subject(Session& session, const NewSubject& subject, pki::Time now);

struct NewCertificate {
  std::string institution_id;
  std::string subject_id;
  IssuerKeyHash issuer{};
  pki::Bytes serial;                     // content octets of the DER INTEGER
  std::optional<pki::Time> not_after;    // of one that nobody showed: the latest that it can be
  ListedStatus status;                   // by a generation
  std::uint64_t checked_generation = 0;  // IssuerPosition::checked of its number
};
// Returns its id. Nothing if the institution has that certificate already: find_certificate() tells
// whose it is.
[[nodiscard]] std::optional<std::string> add_watched_certificate(Session& session, KeyRing& keys,
                                                                 const NewCertificate& certificate,
                                                                 pki::Time now);

struct KnownCertificate {
  std::string certificate_id;
  std::string subject_id;
  CertificateStatus status = CertificateStatus::good;
};
[[nodiscard]] std::optional<KnownCertificate> find_certificate(Session& session, KeyRing& keys,
                                                               const std::string& institution_id,
                                                               const IssuerKeyHash& issuer,
                                                               pki::Bytes serial);
// The one that the institution has, or else this one, added. Whoever lets another subject watch a
// certificate holds it, with that subject's row locked before: nothing happens to it until the
// transaction ends, and what happens then reaches both.
struct HeldCertificate {
  KnownCertificate certificate;
  bool is_new = false;
};
[[nodiscard]] HeldCertificate hold_or_add_certificate(Session& session, KeyRing& keys,
                                                      const NewCertificate& certificate,
                                                      pki::Time now);
// The same, where the institution is not expected to have it. If it has, this, what comes next in
// the session, or its commit throws AlreadyThere.
[[nodiscard]] HeldCertificate add_new_certificate(Session& session, KeyRing& keys,
                                                  const NewCertificate& certificate, pki::Time now);

// It was shown, and by that generation it is good: when it ends is known for certain.
void set_certificate_end(Session& session, const std::string& institution_id,
                         const std::string& certificate_id, pki::Time not_after,
                         std::uint64_t checked_generation);

// Where a certificate's serial is sealed: the `place` of KeyRing::open_for.
[[nodiscard]] std::string serial_place(const std::string& certificate_id);

// --- detection: platform sessions ---

[[nodiscard]] std::optional<IssuerPosition> read_position(Session& session,
                                                          const IssuerKeyHash& issuer);

// One detection an issuer at a time, to save work: nothing depends on it. The lock is the
// connection's and outlives the transaction. False if another connection has it.
[[nodiscard]] bool try_detection_lock(Session& session, const IssuerKeyHash& issuer);
void release_detection_lock(Session& session, const IssuerKeyHash& issuer);

// Numbers begin again where an index directory was cleared. Then what certificates were checked
// against until now counts for nothing. That costs one row, however many are watched.
enum class Numbering : std::uint8_t { goes_on, begins_again };
// Waits for the registrations that are under way. The position as it is then; nothing if detection
// is not at `from` any more. The caller commits at once.
[[nodiscard]] std::optional<IssuerPosition> announce(Session& session, const IssuerKeyHash& issuer,
                                                     const GenerationName& from,
                                                     const GenerationName& target,
                                                     Numbering numbering);

struct DetectionRow {
  GenerationName from;
  GenerationName to;
  std::uint64_t entries = 0;  // differences, or certificates that were looked up one by one
  std::uint64_t changed = 0;
  pki::Time started_at;
  pki::Time ended_at;
};
// All certificates are as `row.to` says. False if detection is not at `row.from` any more.
bool finish_detection(Session& session, const IssuerKeyHash& issuer, const DetectionRow& row);

// What operators see of an issuer.
struct DetectionFigures {
  std::uint64_t detected = 0;  // generation
  std::uint64_t changed = 0;   // watched certificates, ever
};
[[nodiscard]] DetectionFigures detection_figures(Session& session, const IssuerKeyHash& issuer);
// How many subjects await a newer certificate.
[[nodiscard]] std::uint64_t count_awaiting(Session& session);

// The lists of the issuer are past their end: one status.stale for each institution that watches
// certificates of it, once. Nothing: they may speak (again). Returns how many were told.
std::uint64_t tell_stale(Session& session, const IssuerKeyHash& issuer, const std::string& name,
                         std::optional<pki::Time> since, pki::Time now);

}  // namespace server
