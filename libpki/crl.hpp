// crl.hpp: certificate revocation lists (RFC 5280 section 5), read as a stream over mapped bytes.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

#include "libpki/algorithm.hpp"
#include "libpki/asn1_time.hpp"
#include "libpki/crl_scope.hpp"
#include "libpki/serial.hpp"
#include "libpki/x509.hpp"

namespace pki {

// CRLReason (RFC 5280 5.3.1). `absent` is ours: the entry has no reasonCode.
enum class Reason : std::uint8_t {
  unspecified = 0,
  key_compromise = 1,
  ca_compromise = 2,
  affiliation_changed = 3,
  superseded = 4,
  cessation_of_operation = 5,
  certificate_hold = 6,
  remove_from_crl = 8,
  privilege_withdrawn = 9,
  aa_compromise = 10,
  absent = 15,
};

// "certificateHold", as in the RFC; "none" for absent.
[[nodiscard]] std::string_view to_string(Reason reason);

// The latest revocation date that we take: 2^32 - 1 seconds after the start of 1950, where UTCTime
// begins, so that every UTCTime fits and a date costs four bytes.
inline constexpr Time kRevocationEpoch = std::chrono::sys_days{std::chrono::year{1950} / 1 / 1};
inline constexpr Time kRevocationDateMax = kRevocationEpoch + std::chrono::seconds{0xFFFFFFFF};

// CRLNumber ::= INTEGER (0..MAX), of at most 20 octets (RFC 5280 5.2.3). Held right-aligned.
class CrlNumber {
 public:
  CrlNumber() = default;
  // From the content octets of a non-negative INTEGER of at most 20 octets.
  explicit CrlNumber(Bytes content);

  [[nodiscard]] Bytes octets() const { return octets_; }  // 20, big-endian
  [[nodiscard]] std::string to_string() const;            // decimal
  [[nodiscard]] double approximate() const;               // for gauges, which are doubles

  friend auto operator<=>(const CrlNumber&, const CrlNumber&) = default;

 private:
  std::array<std::uint8_t, 20> octets_{};
};

// A complete list (for its scope) says all; a delta says what changed since a base (RFC 5280
// 5.2.4).
enum class CrlKind : std::uint8_t { complete, delta };

// Crl is a view of one CRL: everything but the entries, which are walked by for_each_entry.
//
// Parsing promises: DER of all that surrounds the entries, and an outer length that is the input's;
// version 2; one algorithm inside and outside; nextUpdate after thisUpdate; a CRL number, and for a
// delta a lower one of its base; no unknown critical extension; direct, and for all reasons. It
// does NOT promise: that the signature is right, that issuer or dates suit (check_crl), what kind
// or scope it is (`base`, `scope`), or anything about the entries.
struct Crl {
  Bytes der;  // the whole list
  Bytes tbs;  // TBSCertList with tag and length: what is signed
  SignatureAlgorithm algorithm;
  Bytes algorithm_der;  // the same as AlgorithmIdentifier, with tag and length
  Bytes signature;

  Bytes issuer;  // Name with tag and length
  Time this_update;
  Time next_update;
  Bytes entries;  // what is inside revokedCertificates; empty if there are none
  CrlNumber number;
  std::optional<CrlNumber> base;  // of a delta: it says what changed since the list of that number
  CrlScope scope;
  std::optional<Time> expired_certificates_since;  // ExpiredCertsOnCRL: entries stay on the list
  Bytes authority_key_id;                          // empty if absent

  [[nodiscard]] CrlKind kind() const { return base ? CrlKind::delta : CrlKind::complete; }
};

// Parses all but the entries. Cost: O(1) whatever the list's length; reads its first and last page.
// Errors: those of the DER readers, pem_not_der, unsupported_version, algorithm_mismatch,
// weak_algorithm, unsupported_algorithm, missing_next_update, time_order, missing_crl_number,
// crl_number_too_long, criticality, duplicate_extension, unknown_critical_extension, delta_order,
// unsupported_scope, indirect_crl, empty_sequence, trailing_data.
[[nodiscard]] Result<Crl> parse_crl(Bytes der);

// May this list speak for `issuer` at `now`? By name, key identifier, key usage (cRLSign) and
// dates, RFC 5280 6.3.3 (a), (f). `skew` is how far thisUpdate may lie ahead of our clock. Errors:
// issuer_mismatch, authority_key_mismatch, key_usage, not_yet_valid, expired.
[[nodiscard]] Result<void> check_crl(const Crl& crl, const Certificate& issuer, Time now,
                                     std::chrono::seconds skew);

// One revoked certificate.
struct CrlEntry {
  Bytes serial;  // DER content octets, see serial.hpp
  Time revocation_date;
  Reason reason = Reason::absent;
  std::optional<Time> invalidity_date;
};

// Reads one entry the general way.
//
//   SEQUENCE { userCertificate CertificateSerialNumber, revocationDate Time,
//              crlEntryExtensions Extensions OPTIONAL }                        (RFC 5280 5.1.2.6)
//
// Errors: those of the DER readers, serial_too_long, wrong_time_type, time_out_of_range,
// bad_reason, unknown_critical_extension, duplicate_extension, indirect_crl, empty_sequence.
// removeFromCRL occurs in a delta only (5.3.1).
[[nodiscard]] Result<CrlEntry> read_entry(der::Reader& entries, CrlKind kind);

// The usual entry, at least nine in ten: UTCTime, and a reasonCode or nothing. Reads it without the
// generality and returns how many bytes it took; 0 if the entry is any other, or hostile, in which
// case read_entry decides. Accepts nothing that read_entry would not read in the same way.
[[nodiscard]] std::size_t read_usual_entry(Bytes entries, CrlEntry& out);

// Walks every entry in the order of the list and calls visit(const CrlEntry&) for each. The views
// in an entry last as long as the list's bytes. Returns how many there were. Errors: those of
// read_entry; what was visited before it is then void, since a critical extension anywhere condemns
// the whole list (RFC 5280 5.3). Cost: one pass, about 12 ns an entry; no allocation.
template <class Visit>
[[nodiscard]] Result<std::uint64_t> for_each_entry(const Crl& crl, Visit&& visit) {
  Bytes rest = crl.entries;
  std::uint64_t count = 0;
  while (!rest.empty()) {
    CrlEntry entry;
    std::size_t taken = read_usual_entry(rest, entry);
    if (taken == 0) {
      der::Reader reader(crl.der.data(), rest);
      PKI_TRY_ASSIGN(entry, read_entry(reader, crl.kind()));
      taken = rest.size() - reader.rest().size();
    }
    visit(std::as_const(entry));
    rest = rest.subspan(taken);
    ++count;
  }
  return count;
}

// Inline because it runs once for each of up to 100 million entries.
//
//   30 ll  02 ss <serial>  17 0D <YYMMDDHHMMSSZ>  [30 0C 30 0A 06 03 55 1D 15 04 03 0A 01 <reason>]
inline std::size_t read_usual_entry(Bytes entries, CrlEntry& out) {
  constexpr std::size_t kDate = 2 + 13;
  constexpr std::size_t kReason = 14;
  // Compared as two overlapping words: a call of memcmp would cost as much as all the rest.
  constexpr std::array<std::uint8_t, kReason - 1> kReasonPrefix = {
      0x30, 0x0C, 0x30, 0x0A, 0x06, 0x03, 0x55, 0x1D, 0x15, 0x04, 0x03, 0x0A, 0x01};
  const auto word = [](const std::uint8_t* at) {
    std::uint64_t value = 0;
    std::memcpy(&value, at, sizeof value);
    return value;
  };
  // Four octets reach the serial's length; the rest is compared with `size` before it is touched.
  if (entries.size() < 4 || entries[0] != 0x30 || entries[2] != 0x02) return 0;
  const std::size_t size = entries[1];
  const std::size_t serial = entries[3];
  if (size >= 0x80 || entries.size() < 2 + size || serial == 0 || serial > kSerialOctetsMax)
    return 0;
  const bool has_reason = size == 2 + serial + kDate + kReason;
  if (size != 2 + serial + kDate && !has_reason) return 0;

  out.serial = entries.subspan(4, serial);
  if (serial > 1 && (out.serial[0] == 0x00 || out.serial[0] == 0xFF) &&
      (out.serial[0] & 0x80) == (out.serial[1] & 0x80)) {
    return 0;  // not the shortest form: read_entry names the fault
  }
  const std::uint8_t* date = entries.data() + 4 + serial;
  if (date[0] != 0x17 || date[1] != 13 || !parse_utc_time(date + 2, out.revocation_date)) return 0;
  out.reason = Reason::absent;
  out.invalidity_date.reset();
  if (has_reason) {
    const std::uint8_t* extension = date + kDate;
    const std::uint8_t code = extension[kReason - 1];
    constexpr std::size_t kSecond = kReasonPrefix.size() - sizeof(std::uint64_t);
    if (word(extension) != word(kReasonPrefix.data()) ||
        word(extension + kSecond) != word(kReasonPrefix.data() + kSecond)) {
      return 0;
    }
    if (code > 10 || code == 7 || code == 8) return 0;
    out.reason = static_cast<Reason>(code);
  }
  return 2 + size;
}

}  // namespace pki
