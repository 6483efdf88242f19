// certificate_changes.hpp: watched certificates in bulk: which ones a difference, a full check or
// the calendar is about, and what happens to them and their subjects. Platform sessions.
//
// All statements are set-based: a batch costs a handful of round trips, however many rows it has.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "server/store/watching.hpp"

namespace server {

// How many certificates or differences go into one transaction, at most.
inline constexpr std::size_t kChangeBatch = 10'000;

// A watched certificate as the database has it.
struct WatchedCertificate {
  std::string institution_id;
  std::string certificate_id;
  std::string subject_id;  // whose it was first; others may watch it, too
  CertificateStatus status = CertificateStatus::good;
  std::optional<pki::Revocation> revocation;
  std::optional<pki::Time> not_after;
};

// Certificates with one of these serials (KeyRing::serial_mac), of any institution, that were
// checked against a generation before `to_generation` and have not expired. `place` is that of the
// serial in `macs`.
struct FoundCertificate {
  WatchedCertificate certificate;
  std::size_t place = 0;
};
[[nodiscard]] std::vector<FoundCertificate> find_watched(
    Session& session, const IssuerKeyHash& issuer, std::span<const std::vector<std::uint8_t>> macs,
    std::uint64_t to_generation);

// The next certificates of an issuer after that one, in a fixed order, with their sealed serials:
// those that were checked against a generation before `to_generation` and have not expired.
struct SealedCertificate {
  WatchedCertificate certificate;
  std::vector<std::uint8_t> serial_sealed;
};
[[nodiscard]] std::vector<SealedCertificate> next_watched(Session& session,
                                                          const IssuerKeyHash& issuer,
                                                          const WatchedCertificate& after,
                                                          std::uint64_t to_generation,
                                                          std::size_t limit);

// Certificates whose end has passed by `now`, whatever their status, until apply_changes() makes
// them `expired`, or set_ended() notes it of those that are revoked or expired already: in a
// transaction of its own, or rows would be locked out of order.
[[nodiscard]] std::vector<WatchedCertificate> find_ended(Session& session, pki::Time now,
                                                         std::size_t limit);
void set_ended(Session& session, std::span<const WatchedCertificate> certificates, pki::Time now);

// What a certificate is to become.
struct CertificateChange {
  WatchedCertificate certificate;  // as it was found
  CertificateStatus status = CertificateStatus::good;
  std::optional<pki::Revocation> revocation;
  pki::Time as_of;
  std::string crl_number;  // may be empty
};

struct ChangeCounts {
  std::uint64_t held = 0;
  std::uint64_t released = 0;
  std::uint64_t revoked = 0;
  std::uint64_t expired = 0;
  std::uint64_t pending = 0;    // subjects that now await a certificate
  std::uint64_t corrected = 0;  // another reason or date, without an event

  [[nodiscard]] std::uint64_t all() const { return held + released + revoked + expired; }
  ChangeCounts& operator+=(const ChangeCounts& other);
};

// Locks the subjects in order, then changes those certificates that are still as they were found,
// raises the versions of the subjects that have or watch them, and puts the events: certificate.*,
// and subject.update_pending where the certificate is the one that is watched for a new one. One
// audit row for each institution. `to_generation` is what was looked at; nothing for the calendar.
//
// The order of one subject's events is that of their versions. Cost: about 150 us
// a change (bench/README.md, `detection`: 49 s for 300,000).
ChangeCounts apply_changes(Session& session, std::span<const CertificateChange> changes,
                           std::optional<std::uint64_t> to_generation, pki::Time now);

}  // namespace server
