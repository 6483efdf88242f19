#include "libpki/x509.hpp"

#include "libpki/extension.hpp"
#include "libpki/oid.hpp"
#include "libpki/serial.hpp"

namespace pki {
namespace {

using der::Element;
using der::Reader;
using der::Tag;

// KeyUsage ::= BIT STRING                                                    (RFC 5280 4.2.1.3)
Result<void> read_key_usage(Reader value, Certificate& out) {
  PKI_TRY_ASSIGN(const Element element, value.read(Tag::bit_string, "keyUsage"));
  PKI_TRY_ASSIGN(out.key_usage, der::bit_string(value, element, "keyUsage"));
  return value.finish("keyUsage");
}

// BasicConstraints ::= SEQUENCE { cA BOOLEAN DEFAULT FALSE,
//                                 pathLenConstraint INTEGER (0..MAX) OPTIONAL }  (4.2.1.9)
Result<void> read_basic_constraints(Reader value, Certificate& out) {
  PKI_TRY_ASSIGN(Reader constraints, value.enter(Tag::sequence, "basicConstraints"));
  PKI_TRY(value.finish("basicConstraints"));
  PKI_TRY_ASSIGN(const auto ca, constraints.read_optional(Tag::boolean, "basicConstraints.cA"));
  if (ca) {
    PKI_TRY_ASSIGN(out.is_ca, der::boolean(constraints, *ca, "basicConstraints.cA"));
    if (!out.is_ca) return constraints.error_at(*ca, Errc::default_encoded, "basicConstraints.cA");
  }
  PKI_TRY_ASSIGN(const auto length, constraints.read_optional(Tag::integer, "pathLenConstraint"));
  if (length) PKI_TRY(der::integer(constraints, *length, "pathLenConstraint"));
  return constraints.finish("basicConstraints");
}

// ExtKeyUsageSyntax ::= SEQUENCE SIZE (1..MAX) OF KeyPurposeId                 (4.2.1.12)
Result<void> read_extended_key_usage(Reader value, Certificate& out) {
  PKI_TRY_ASSIGN(Reader purposes, value.enter(Tag::sequence, "extKeyUsage"));
  PKI_TRY(value.finish("extKeyUsage"));
  if (purposes.empty()) return purposes.error(Errc::empty_sequence, "extKeyUsage");
  out.has_extended_key_usage = true;
  while (!purposes.empty()) {
    PKI_TRY_ASSIGN(const Element element, purposes.read(Tag::oid, "KeyPurposeId"));
    PKI_TRY_ASSIGN(const Bytes purpose, der::oid(purposes, element, "KeyPurposeId"));
    if (equal(purpose, oid::ocsp_signing)) out.may_sign_ocsp = true;
  }
  return {};
}

Result<void> read_subject_key_id(Reader value, Certificate& out) {
  PKI_TRY_ASSIGN(const Element element, value.read(Tag::octet_string, "subjectKeyIdentifier"));
  out.subject_key_id = element.content;
  return value.finish("subjectKeyIdentifier");
}

// id-pkix-ocsp-nocheck: extnValue SHALL be NULL                        (RFC 6960 4.2.2.2.1)
Result<void> read_nocheck(Reader value, Certificate& out) {
  PKI_TRY_ASSIGN(const Element element, value.read(Tag::null, "ocsp-nocheck"));
  PKI_TRY(der::null(value, element, "ocsp-nocheck"));
  out.ocsp_nocheck = true;
  return value.finish("ocsp-nocheck");
}

// The OID of the next PolicyInformation.
Result<Bytes> read_policy(Reader& policies) {
  PKI_TRY_ASSIGN(Reader policy, policies.enter(Tag::sequence, "PolicyInformation"));
  PKI_TRY_ASSIGN(const Element element, policy.read(Tag::oid, "policyIdentifier"));
  PKI_TRY_ASSIGN(const Bytes id, der::oid(policy, element, "policyIdentifier"));
  PKI_TRY(policy.read_optional(Tag::sequence, "policyQualifiers"));
  PKI_TRY(policy.finish("PolicyInformation"));
  return id;
}

// certificatePolicies ::= SEQUENCE SIZE (1..MAX) OF PolicyInformation
// PolicyInformation ::= SEQUENCE { policyIdentifier CertPolicyId,
//                                  policyQualifiers SEQUENCE SIZE (1..MAX) OF … OPTIONAL }
//                                  (4.2.1.4)
Result<void> read_policies(Reader value, Certificate& out) {
  PKI_TRY_ASSIGN(Reader policies, value.enter(Tag::sequence, "certificatePolicies"));
  PKI_TRY(value.finish("certificatePolicies"));
  if (policies.empty()) return policies.error(Errc::empty_sequence, "certificatePolicies");
  out.certificate_policies = policies.rest();
  while (!policies.empty()) PKI_TRY(read_policy(policies));
  return {};
}

Result<void> read_certificate_extension(const Extension& extension, Seen& seen, Certificate& out) {
  const char* field = "extensions";
  if (extension.is(oid::key_usage)) {
    PKI_TRY(seen.mark(0, extension, field));
    return read_key_usage(extension.value, out);
  }
  if (extension.is(oid::basic_constraints)) {
    PKI_TRY(seen.mark(1, extension, field));
    return read_basic_constraints(extension.value, out);
  }
  if (extension.is(oid::extended_key_usage)) {
    PKI_TRY(seen.mark(2, extension, field));
    return read_extended_key_usage(extension.value, out);
  }
  if (extension.is(oid::subject_key_identifier)) {
    PKI_TRY(seen.mark(3, extension, field));
    return read_subject_key_id(extension.value, out);
  }
  if (extension.is(oid::authority_key_identifier)) {
    PKI_TRY(seen.mark(4, extension, field));
    PKI_TRY_ASSIGN(out.authority_key_id,
                   read_authority_key_id(extension.value, "authorityKeyIdentifier"));
    return {};
  }
  if (extension.is(oid::ocsp_nocheck)) {
    PKI_TRY(seen.mark(5, extension, field));
    return read_nocheck(extension.value, out);
  }
  if (extension.is(oid::subject_alt_name)) {
    PKI_TRY(seen.mark(6, extension, field));
    out.subject_alt_name = extension.value.rest();
    return {};
  }
  if (extension.is(oid::certificate_policies)) {
    PKI_TRY(seen.mark(7, extension, field));
    return read_policies(extension.value, out);
  }
  // These restrict paths and names, which nobody builds here: the certificates are configured.
  const bool has_no_effect =
      extension.is(oid::name_constraints) || extension.is(oid::policy_mappings) ||
      extension.is(oid::policy_constraints) || extension.is(oid::inhibit_any_policy);
  if (extension.critical && !has_no_effect) out.unknown_critical = true;
  return {};
}

// SubjectPublicKeyInfo ::= SEQUENCE { algorithm AlgorithmIdentifier,
//                                     subjectPublicKey BIT STRING }            (4.1.2.7)
Result<void> read_spki(Reader& tbs, Certificate& out) {
  PKI_TRY_ASSIGN(const Element spki, tbs.read(Tag::sequence, "subjectPublicKeyInfo"));
  out.spki = spki.whole;
  Reader inside(tbs, spki);
  PKI_TRY(inside.read(Tag::sequence, "subjectPublicKeyInfo.algorithm"));
  PKI_TRY_ASSIGN(const Element key, inside.read(Tag::bit_string, "subjectPublicKey"));
  PKI_TRY_ASSIGN(out.key_bits, der::octets_of_bit_string(inside, key, "subjectPublicKey"));
  return inside.finish("subjectPublicKeyInfo");
}

// TBSCertificate ::= SEQUENCE {
//   version [0] EXPLICIT Version DEFAULT v1, serialNumber CertificateSerialNumber,
//   signature AlgorithmIdentifier, issuer Name, validity Validity, subject Name,
//   subjectPublicKeyInfo SubjectPublicKeyInfo, issuerUniqueID [1] OPTIONAL,
//   subjectUniqueID [2] OPTIONAL, extensions [3] EXPLICIT Extensions OPTIONAL }   (4.1)
Result<void> read_tbs(Reader tbs, Certificate& out) {
  if (!tbs.next_is(der::context_constructed(0))) {
    return tbs.error(Errc::unsupported_version, "version");
  }
  const std::uint64_t version_at = tbs.offset();
  PKI_TRY_ASSIGN(Reader version, tbs.enter(der::context_constructed(0), "version"));
  PKI_TRY_ASSIGN(const Element number, version.read(Tag::integer, "version"));
  PKI_TRY_ASSIGN(const std::uint32_t value, der::small_integer(version, number, 255, "version"));
  PKI_TRY(version.finish("version"));
  if (value != 2) return Error{Errc::unsupported_version, version_at, "version"};

  PKI_TRY_ASSIGN(out.serial, read_serial(tbs, "serialNumber"));
  const Bytes before_algorithm = tbs.rest();
  PKI_TRY_ASSIGN(out.algorithm, read_signature_algorithm(tbs, "signature"));
  out.algorithm_der = before_algorithm.first(before_algorithm.size() - tbs.rest().size());
  PKI_TRY_ASSIGN(const Element issuer, tbs.read(Tag::sequence, "issuer"));
  out.issuer = issuer.whole;

  const std::uint64_t validity_at = tbs.offset();
  PKI_TRY_ASSIGN(Reader validity, tbs.enter(Tag::sequence, "validity"));
  PKI_TRY_ASSIGN(out.not_before, read_pkix_time(validity, "notBefore"));
  PKI_TRY_ASSIGN(out.not_after, read_pkix_time(validity, "notAfter"));
  PKI_TRY(validity.finish("validity"));
  if (out.not_after < out.not_before) return Error{Errc::time_order, validity_at, "validity"};

  PKI_TRY_ASSIGN(const Element subject, tbs.read(Tag::sequence, "subject"));
  out.subject = subject.whole;
  PKI_TRY(read_spki(tbs, out));
  PKI_TRY(tbs.read_optional(der::context(1), "issuerUniqueID"));
  PKI_TRY(tbs.read_optional(der::context(2), "subjectUniqueID"));
  PKI_TRY_ASSIGN(const auto tagged, tbs.read_optional(der::context_constructed(3), "extensions"));
  PKI_TRY(tbs.finish("tbsCertificate"));
  if (!tagged) return {};

  Reader outer(tbs, *tagged);
  PKI_TRY_ASSIGN(Reader extensions, outer.enter(Tag::sequence, "extensions"));
  PKI_TRY(outer.finish("extensions"));
  if (extensions.empty()) return extensions.error(Errc::empty_sequence, "extensions");
  Seen seen;
  while (!extensions.empty()) {
    PKI_TRY_ASSIGN(const Extension extension, read_extension(extensions, "extensions"));
    PKI_TRY(read_certificate_extension(extension, seen, out));
  }
  return {};
}

}  // namespace

std::vector<Bytes> Certificate::policies() const {
  std::vector<Bytes> ids;
  Reader reader(certificate_policies);
  while (!reader.empty()) {
    const auto id = read_policy(reader);
    if (!id) break;  // cannot be: parse_certificate has read them
    ids.push_back(*id);
  }
  return ids;
}

Result<Bytes> read_authority_key_id(Reader value, const char* field) {
  PKI_TRY_ASSIGN(Reader aki, value.enter(Tag::sequence, field));
  PKI_TRY(value.finish(field));
  PKI_TRY_ASSIGN(const auto key_id, aki.read_optional(der::context(0), field));
  PKI_TRY(aki.read_optional(der::context_constructed(1), field));
  PKI_TRY(aki.read_optional(der::context(2), field));
  PKI_TRY(aki.finish(field));
  return key_id ? key_id->content : Bytes{};
}

// Certificate ::= SEQUENCE { tbsCertificate TBSCertificate,
//   signatureAlgorithm AlgorithmIdentifier, signatureValue BIT STRING }          (4.1)
Result<Certificate> parse_certificate(Bytes der) {
  Certificate out{};
  Reader input(der);
  PKI_TRY_ASSIGN(const Element whole, input.read(Tag::sequence, "Certificate"));
  PKI_TRY(input.finish("Certificate"));
  out.der = whole.whole;
  Reader certificate(input, whole);
  PKI_TRY_ASSIGN(const Element tbs, certificate.read(Tag::sequence, "tbsCertificate"));
  out.tbs = tbs.whole;
  PKI_TRY(read_tbs(Reader(certificate, tbs), out));

  PKI_TRY(read_same_algorithm(certificate, out.algorithm_der, "signatureAlgorithm"));
  PKI_TRY_ASSIGN(const Element signature, certificate.read(Tag::bit_string, "signatureValue"));
  PKI_TRY_ASSIGN(out.signature,
                 der::octets_of_bit_string(certificate, signature, "signatureValue"));
  PKI_TRY(certificate.finish("Certificate"));
  return out;
}

Result<void> verify_issued_by(const Certificate& certificate, const Certificate& issuer) {
  if (!equal(certificate.issuer, issuer.subject)) {
    return Error{Errc::issuer_mismatch, 0, "issuer"};
  }
  PKI_TRY_ASSIGN(const PublicKey key, PublicKey::parse(issuer.spki));
  PKI_TRY(verify_signature(certificate.algorithm, key, certificate.tbs, certificate.signature));
  return {};
}

}  // namespace pki
