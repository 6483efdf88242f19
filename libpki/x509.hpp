// x509.hpp: the parts of a certificate (RFC 5280 section 4) that status checking needs.
#pragma once

#include <optional>
#include <vector>

#include "libpki/algorithm.hpp"
#include "libpki/asn1_time.hpp"
#include "libpki/bytes.hpp"
#include "libpki/crypto.hpp"

namespace pki {

// AuthorityKeyIdentifier ::= SEQUENCE {
//   keyIdentifier             [0] KeyIdentifier           OPTIONAL,
//   authorityCertIssuer       [1] GeneralNames            OPTIONAL,
//   authorityCertSerialNumber [2] CertificateSerialNumber OPTIONAL }          (RFC 5280 4.2.1.1)
// Returns the keyIdentifier; empty if there is none. The other two are read over: what they say
// is settled by the signature. Errors: those of Reader::read.
[[nodiscard]] Result<Bytes> read_authority_key_id(der::Reader value, const char* field);

// Certificate is a view of one DER certificate.
//
// Parsing promises: DER throughout the fields below; algorithms inside and outside equal; notBefore
// not after notAfter; no known extension twice. It does NOT promise: that the signature is right
// (verify_issued_by), that the certificate is in date (is_valid_at), that names are well-formed, or
// that unknown critical extensions are harmless: `unknown_critical` says that there is one.
struct Certificate {
  Bytes der;                     // the whole certificate
  Bytes tbs;                     // TBSCertificate with tag and length: what is signed
  SignatureAlgorithm algorithm;  // of the issuer's signature
  Bytes algorithm_der;           // the same as AlgorithmIdentifier, with tag and length
  Bytes signature;

  Bytes serial;   // DER content octets, see serial.hpp
  Bytes issuer;   // Name with tag and length; compared as bytes
  Bytes subject;  // the same
  Time not_before;
  Time not_after;
  Bytes spki;  // SubjectPublicKeyInfo with tag and length
  Bytes
      key_bits;  // the BIT STRING's octets in it: what an issuerKeyHash is made of (RFC 6960 4.1.1)

  Bytes subject_key_id;                     // empty if absent
  Bytes authority_key_id;                   // empty if absent
  bool is_ca = false;                       // basicConstraints cA
  std::optional<der::BitString> key_usage;  // absent means: anything
  bool has_extended_key_usage = false;
  bool may_sign_ocsp = false;  // extendedKeyUsage holds id-kp-OCSPSigning (RFC 6960 4.2.2.2)
  bool ocsp_nocheck = false;   // id-pkix-ocsp-nocheck (RFC 6960 4.2.2.2.1)
  bool unknown_critical = false;
  Bytes subject_alt_name;      // GeneralNames, as they are; empty if absent. See jpki_profile.hpp
  Bytes certificate_policies;  // the PolicyInformations, checked when parsed; empty if absent

  // The policies' OIDs, as views of content octets.
  [[nodiscard]] std::vector<Bytes> policies() const;

  [[nodiscard]] bool may_sign_crls() const { return !key_usage || key_usage->bit(6); }
  [[nodiscard]] bool may_sign_data() const { return !key_usage || key_usage->bit(0); }
  [[nodiscard]] bool is_valid_at(Time time) const {
    return not_before <= time && time <= not_after;
  }
};

// Parses one certificate, of version 3, from its first to its last byte; the views alias `der`.
// Errors: those of the DER readers, unsupported_version, serial_too_long, algorithm_mismatch,
// weak_algorithm, unsupported_algorithm, time_order, duplicate_extension, trailing_data.
// A self-signed SHA-1 root is refused like any other: re-issue it.
[[nodiscard]] Result<Certificate> parse_certificate(Bytes der);

// Is `certificate` signed by the key of `issuer`, and does it name it?
// Errors: issuer_mismatch, unsupported_key, bad_signature.
[[nodiscard]] Result<void> verify_issued_by(const Certificate& certificate,
                                            const Certificate& issuer);

}  // namespace pki
