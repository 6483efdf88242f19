#include "libpki/crl.hpp"

#include <cstdlib>

#include "libpki/extension.hpp"
#include "libpki/oid.hpp"

namespace pki {
namespace {

using der::Element;
using der::Reader;
using der::Tag;

// CRLNumber ::= INTEGER (0..MAX)                                            (RFC 5280 5.2.3)
// BaseCRLNumber ::= CRLNumber, in the deltaCRLIndicator                     (5.2.4)
Result<CrlNumber> read_crl_number(const Extension& extension, const char* field) {
  Reader value = extension.value;
  PKI_TRY_ASSIGN(const Element element, value.read(Tag::integer, field));
  PKI_TRY_ASSIGN(const Bytes content, der::integer(value, element, field));
  PKI_TRY(value.finish(field));
  if ((content[0] & 0x80) != 0) return value.error_at(element, Errc::integer_out_of_range, field);
  if (content.size() > 20) return value.error_at(element, Errc::crl_number_too_long, field);
  return CrlNumber(content);
}

// ExpiredCertsOnCRL ::= GeneralizedTime                                     (X.509 8.5.2.12)
Result<Time> read_expired_certificates(const Extension& extension) {
  Reader value = extension.value;
  PKI_TRY_ASSIGN(const Time since, read_generalized_time(value, "expiredCertsOnCRL"));
  PKI_TRY(value.finish("expiredCertsOnCRL"));
  return since;
}

struct CrlExtensions {
  std::optional<CrlNumber> number;
  std::optional<CrlNumber> base;
  CrlScope scope;
  std::optional<Time> expired_certificates_since;
  Bytes authority_key_id;
};

Result<void> read_crl_extension(const Extension& extension, Seen& seen, CrlExtensions& out) {
  const char* field = "crlExtensions";
  if (extension.is(oid::authority_key_identifier)) {
    PKI_TRY(seen.mark(0, extension, field));
    PKI_TRY_ASSIGN(out.authority_key_id,
                   read_authority_key_id(extension.value, "authorityKeyIdentifier"));
    return {};
  }
  if (extension.is(oid::crl_number)) {
    PKI_TRY(seen.mark(1, extension, field));
    if (extension.critical) return extension.error(Errc::criticality, "cRLNumber");
    PKI_TRY_ASSIGN(out.number, read_crl_number(extension, "cRLNumber"));
    return {};
  }
  if (extension.is(oid::delta_crl_indicator)) {
    PKI_TRY(seen.mark(2, extension, field));
    // Who does not know the extension must not take a delta for a complete list.
    if (!extension.critical) return extension.error(Errc::criticality, "deltaCRLIndicator");
    PKI_TRY_ASSIGN(out.base, read_crl_number(extension, "deltaCRLIndicator"));
    return {};
  }
  if (extension.is(oid::issuing_distribution_point)) {
    PKI_TRY(seen.mark(3, extension, field));
    PKI_TRY_ASSIGN(out.scope, read_scope(extension));
    return {};
  }
  if (extension.is(oid::expired_certs_on_crl)) {
    PKI_TRY(seen.mark(4, extension, field));
    PKI_TRY_ASSIGN(out.expired_certificates_since, read_expired_certificates(extension));
    return {};
  }
  if (extension.is(oid::issuer_alt_name))
    return {};  // a name only; the signature settles who it is
  if (extension.critical) return extension.error(Errc::unknown_critical_extension, field);
  return {};
}

// crlExtensions [0] EXPLICIT Extensions OPTIONAL, the last field of TBSCertList
Result<CrlExtensions> read_crl_extensions(Reader& tbs) {
  CrlExtensions out;
  const std::uint64_t at = tbs.offset();
  PKI_TRY_ASSIGN(const auto tagged,
                 tbs.read_optional(der::context_constructed(0), "crlExtensions"));
  PKI_TRY(tbs.finish("tbsCertList"));
  if (tagged) {
    Reader outer(tbs, *tagged);
    PKI_TRY_ASSIGN(Reader list, outer.enter(Tag::sequence, "crlExtensions"));
    PKI_TRY(outer.finish("crlExtensions"));
    if (list.empty()) return list.error(Errc::empty_sequence, "crlExtensions");
    Seen seen;
    while (!list.empty()) {
      PKI_TRY_ASSIGN(const Extension extension, read_extension(list, "crlExtensions"));
      PKI_TRY(read_crl_extension(extension, seen, out));
    }
  }
  if (!out.number) return Error{Errc::missing_crl_number, at, "cRLNumber"};
  if (out.base && *out.base >= *out.number) {
    return Error{Errc::delta_order, at, "deltaCRLIndicator"};
  }
  return out;
}

// revokedCertificates SEQUENCE OF ... OPTIONAL, absent when there are none (RFC 5280 5.1.2.6)
Result<Bytes> read_revoked_certificates(Reader& tbs) {
  PKI_TRY_ASSIGN(const auto revoked, tbs.read_optional(Tag::sequence, "revokedCertificates"));
  if (!revoked) return Bytes{};
  if (revoked->content.empty()) {
    return tbs.error_at(*revoked, Errc::empty_sequence, "revokedCertificates");
  }
  return revoked->content;
}

// TBSCertList ::= SEQUENCE { version Version OPTIONAL, signature AlgorithmIdentifier, issuer Name,
//   thisUpdate Time, nextUpdate Time OPTIONAL, revokedCertificates ... OPTIONAL,
//   crlExtensions [0] EXPLICIT Extensions OPTIONAL }                          (RFC 5280 5.1)
Result<void> read_tbs(Reader tbs, Crl& out) {
  const std::uint64_t version_at = tbs.offset();
  if (!tbs.next_is(Tag::integer)) return tbs.error(Errc::unsupported_version, "version");
  PKI_TRY_ASSIGN(const Element version, tbs.read(Tag::integer, "version"));
  PKI_TRY_ASSIGN(const std::uint32_t number, der::small_integer(tbs, version, 255, "version"));
  if (number != 1) return Error{Errc::unsupported_version, version_at, "version"};

  const Bytes before_algorithm = tbs.rest();
  PKI_TRY_ASSIGN(out.algorithm, read_signature_algorithm(tbs, "signature"));
  out.algorithm_der = before_algorithm.first(before_algorithm.size() - tbs.rest().size());
  PKI_TRY_ASSIGN(const Element issuer, tbs.read(Tag::sequence, "issuer"));
  out.issuer = issuer.whole;
  PKI_TRY_ASSIGN(out.this_update, read_pkix_time(tbs, "thisUpdate"));
  if (!tbs.next_is(Tag::utc_time) && !tbs.next_is(Tag::generalized_time)) {
    return tbs.error(Errc::missing_next_update, "nextUpdate");
  }
  const std::uint64_t next_update_at = tbs.offset();
  PKI_TRY_ASSIGN(out.next_update, read_pkix_time(tbs, "nextUpdate"));
  if (out.next_update <= out.this_update) {
    return Error{Errc::time_order, next_update_at, "nextUpdate"};
  }
  PKI_TRY_ASSIGN(out.entries, read_revoked_certificates(tbs));
  PKI_TRY_ASSIGN(const CrlExtensions extensions, read_crl_extensions(tbs));
  out.number = *extensions.number;
  out.base = extensions.base;
  out.scope = extensions.scope;
  out.expired_certificates_since = extensions.expired_certificates_since;
  out.authority_key_id = extensions.authority_key_id;
  return {};
}

// CRLReason ::= ENUMERATED; 7 is not used, 8 occurs in delta lists only        (5.3.1)
Result<Reason> read_reason(const Extension& extension, CrlKind kind) {
  Reader value = extension.value;
  PKI_TRY_ASSIGN(const Element element, value.read(Tag::enumerated, "reasonCode"));
  PKI_TRY_ASSIGN(const Bytes content, der::integer(value, element, "reasonCode"));
  PKI_TRY(value.finish("reasonCode"));
  const bool known = content.size() == 1 && content[0] <= 10 && content[0] != 7 &&
                     (content[0] != 8 || kind == CrlKind::delta);
  if (!known) return value.error_at(element, Errc::bad_reason, "reasonCode");
  return static_cast<Reason>(content[0]);
}

// InvalidityDate ::= GeneralizedTime                                            (5.3.2)
Result<Time> read_invalidity_date(const Extension& extension) {
  Reader value = extension.value;
  PKI_TRY_ASSIGN(const Time time, read_generalized_time(value, "invalidityDate"));
  PKI_TRY(value.finish("invalidityDate"));
  return time;
}

Result<void> read_entry_extensions(Reader& entry, CrlKind kind, CrlEntry& out) {
  const char* field = "crlEntryExtensions";
  PKI_TRY_ASSIGN(Reader list, entry.enter(Tag::sequence, field));
  if (list.empty()) return list.error(Errc::empty_sequence, field);
  Seen seen;
  while (!list.empty()) {
    PKI_TRY_ASSIGN(const Extension extension, read_extension(list, field));
    if (extension.is(oid::reason_code)) {
      PKI_TRY(seen.mark(0, extension, field));
      PKI_TRY_ASSIGN(out.reason, read_reason(extension, kind));
    } else if (extension.is(oid::invalidity_date)) {
      PKI_TRY(seen.mark(1, extension, field));
      PKI_TRY_ASSIGN(out.invalidity_date, read_invalidity_date(extension));
    } else if (extension.is(oid::certificate_issuer)) {
      return extension.error(Errc::indirect_crl, "certificateIssuer");
    } else if (extension.critical) {
      return extension.error(Errc::unknown_critical_extension, field);
    }
  }
  return {};
}

}  // namespace

std::string_view to_string(Reason reason) {
  switch (reason) {
    case Reason::unspecified: return "unspecified";
    case Reason::key_compromise: return "keyCompromise";
    case Reason::ca_compromise: return "cACompromise";
    case Reason::affiliation_changed: return "affiliationChanged";
    case Reason::superseded: return "superseded";
    case Reason::cessation_of_operation: return "cessationOfOperation";
    case Reason::certificate_hold: return "certificateHold";
    case Reason::remove_from_crl: return "removeFromCRL";
    case Reason::privilege_withdrawn: return "privilegeWithdrawn";
    case Reason::aa_compromise: return "aACompromise";
    case Reason::absent: return "none";
  }
  std::abort();
}

CrlNumber::CrlNumber(Bytes content) {
  std::ranges::copy(content, octets_.end() - static_cast<std::ptrdiff_t>(content.size()));
}

std::string CrlNumber::to_string() const {
  std::array<std::uint8_t, 20> left = octets_;
  std::string digits;
  while (std::ranges::any_of(left, [](std::uint8_t octet) { return octet != 0; })) {
    unsigned remainder = 0;  // schoolbook division by ten
    for (std::uint8_t& octet : left) {
      const unsigned part = remainder << 8 | octet;
      octet = static_cast<std::uint8_t>(part / 10);
      remainder = part % 10;
    }
    digits.insert(digits.begin(), static_cast<char>('0' + remainder));
  }
  return digits.empty() ? "0" : digits;
}

double CrlNumber::approximate() const {
  double value = 0;
  for (const std::uint8_t octet : octets_) value = value * 256 + octet;
  return value;
}

// CertificateList ::= SEQUENCE { tbsCertList TBSCertList, signatureAlgorithm AlgorithmIdentifier,
//                                signatureValue BIT STRING }                  (RFC 5280 5.1)
Result<Crl> parse_crl(Bytes der) {
  constexpr std::string_view kPem = "-----BEGIN";
  if (der.size() > kPem.size() && equal(der.first(kPem.size()), as_bytes(kPem))) {
    return Error{Errc::pem_not_der, 0, "CertificateList"};
  }
  Crl out{};
  Reader input(der);
  PKI_TRY_ASSIGN(const Element whole, input.read(Tag::sequence, "CertificateList"));
  PKI_TRY(input.finish("CertificateList"));
  out.der = whole.whole;
  Reader list(input, whole);
  PKI_TRY_ASSIGN(const Element tbs, list.read(Tag::sequence, "tbsCertList"));
  out.tbs = tbs.whole;
  PKI_TRY(read_tbs(Reader(list, tbs), out));

  PKI_TRY(read_same_algorithm(list, out.algorithm_der, "signatureAlgorithm"));
  PKI_TRY_ASSIGN(const Element signature, list.read(Tag::bit_string, "signatureValue"));
  PKI_TRY_ASSIGN(out.signature, der::octets_of_bit_string(list, signature, "signatureValue"));
  PKI_TRY(list.finish("CertificateList"));
  return out;
}

Result<void> check_crl(const Crl& crl, const Certificate& issuer, Time now,
                       std::chrono::seconds skew) {
  const auto offset = [&](Bytes part) {
    return static_cast<std::uint64_t>(part.data() - crl.der.data());
  };
  if (!equal(crl.issuer, issuer.subject)) {
    return Error{Errc::issuer_mismatch, offset(crl.issuer), "issuer"};
  }
  if (!crl.authority_key_id.empty() && !issuer.subject_key_id.empty() &&
      !equal(crl.authority_key_id, issuer.subject_key_id)) {
    return Error{Errc::authority_key_mismatch, offset(crl.authority_key_id),
                 "authorityKeyIdentifier"};
  }
  if (!issuer.may_sign_crls()) return Error{Errc::key_usage, 0, "issuer certificate keyUsage"};
  if (crl.this_update > now + skew) return Error{Errc::not_yet_valid, 0, "thisUpdate"};
  if (crl.next_update <= now) return Error{Errc::expired, 0, "nextUpdate"};
  return {};
}

Result<CrlEntry> read_entry(Reader& entries, CrlKind kind) {
  CrlEntry out{};
  PKI_TRY_ASSIGN(Reader entry, entries.enter(Tag::sequence, "revokedCertificate"));
  PKI_TRY_ASSIGN(out.serial, read_serial(entry, "userCertificate"));
  const std::uint64_t date_at = entry.offset();
  PKI_TRY_ASSIGN(out.revocation_date, read_pkix_time(entry, "revocationDate"));
  if (out.revocation_date > kRevocationDateMax) {
    return Error{Errc::time_out_of_range, date_at, "revocationDate"};
  }
  if (!entry.empty()) PKI_TRY(read_entry_extensions(entry, kind, out));
  PKI_TRY(entry.finish("revokedCertificate"));
  return out;
}

}  // namespace pki
