// fuzz_certificate.cpp: parse_certificate against OpenSSL's d2i_X509.
#include "fuzz_support.hpp"
#include "libpki/crypto.hpp"
#include "libpki/jpki_profile.hpp"
#include "libpki/oid.hpp"
#include "libpki/responder.hpp"
#include "libpki/x509.hpp"

namespace {

using pki::Bytes;
using pki::Certificate;
using X509Pointer = std::unique_ptr<X509, fuzz::Deleter<X509_free>>;
using ConstraintsPointer =
    std::unique_ptr<BASIC_CONSTRAINTS, fuzz::Deleter<BASIC_CONSTRAINTS_free>>;
using PoliciesPointer =
    std::unique_ptr<CERTIFICATEPOLICIES, fuzz::Deleter<CERTIFICATEPOLICIES_free>>;
using PurposesPointer = std::unique_ptr<EXTENDED_KEY_USAGE, fuzz::Deleter<EXTENDED_KEY_USAGE_free>>;

// OpenSSL's value of an extension; nullptr if it is absent, double or malformed for OpenSSL.
template <class Pointer>
Pointer extension(const X509* certificate, int nid) {
  return Pointer(
      static_cast<typename Pointer::pointer>(X509_get_ext_d2i(certificate, nid, nullptr, nullptr)));
}

bool has(const X509* certificate, int nid) {
  return X509_get_ext_by_NID(certificate, nid, -1) >= 0;
}

void check_key_usage(const Certificate& ours, const X509* theirs) {
  FUZZ_CHECK(ours.key_usage.has_value() == has(theirs, NID_key_usage));
  const auto usage = extension<fuzz::BitStringPointer>(theirs, NID_key_usage);
  if (!usage) return;
  const auto bit = [&](int number) { return ASN1_BIT_STRING_get_bit(usage.get(), number) == 1; };
  for (int number = 0; number < 16; ++number) {
    FUZZ_CHECK(ours.key_usage->bit(static_cast<std::size_t>(number)) == bit(number));
  }
  FUZZ_CHECK(ours.may_sign_crls() == bit(6));
  FUZZ_CHECK(ours.may_sign_data() == bit(0));
}

void check_purposes(const Certificate& ours, const X509* theirs) {
  FUZZ_CHECK(ours.has_extended_key_usage == has(theirs, NID_ext_key_usage));
  const auto purposes = extension<PurposesPointer>(theirs, NID_ext_key_usage);
  if (!purposes) return;
  bool signs_ocsp = false;
  for (int i = 0; i < sk_ASN1_OBJECT_num(purposes.get()); ++i) {
    signs_ocsp |= OBJ_obj2nid(sk_ASN1_OBJECT_value(purposes.get(), i)) == NID_OCSP_sign;
  }
  FUZZ_CHECK(ours.may_sign_ocsp == signs_ocsp);
}

void check_names(const Certificate& ours, const X509* theirs) {
  FUZZ_CHECK(ours.subject_alt_name.empty() || has(theirs, NID_subject_alt_name));
  const auto policies = extension<PoliciesPointer>(theirs, NID_certificate_policies);
  if (!has(theirs, NID_certificate_policies)) FUZZ_CHECK(ours.policies().empty());
  if (!policies) return;
  const auto ids = ours.policies();
  FUZZ_CHECK(ids.size() == static_cast<std::size_t>(sk_POLICYINFO_num(policies.get())));
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const POLICYINFO* const one = sk_POLICYINFO_value(policies.get(), static_cast<int>(i));
    const Bytes id(OBJ_get0_data(one->policyid), OBJ_length(one->policyid));
    FUZZ_CHECK(pki::equal(ids[i], id));
    const std::string dotted = pki::oid_to_string(id);
    const auto again = pki::oid_from_string(dotted);
    FUZZ_CHECK(!again || pki::equal(*again, id));
  }
}

void check_key_ids(const Certificate& ours, const X509* theirs) {
  const auto subject = extension<fuzz::OctetStringPointer>(theirs, NID_subject_key_identifier);
  if (subject) FUZZ_CHECK(pki::equal(ours.subject_key_id, fuzz::octets_of(subject.get())));
  if (!has(theirs, NID_subject_key_identifier)) FUZZ_CHECK(ours.subject_key_id.empty());

  const auto authority = extension<fuzz::KeyIdPointer>(theirs, NID_authority_key_identifier);
  if (authority) {
    const Bytes key_id = authority->keyid == nullptr ? Bytes{} : fuzz::octets_of(authority->keyid);
    FUZZ_CHECK(pki::equal(ours.authority_key_id, key_id));
  }
  if (!has(theirs, NID_authority_key_identifier)) FUZZ_CHECK(ours.authority_key_id.empty());
}

void check_criticality(const Certificate& ours, const X509* theirs) {
  bool unknown = false;
  for (int i = 0; i < X509_get_ext_count(theirs); ++i) {
    X509_EXTENSION* const one = X509_get_ext(theirs, i);
    const int nid = OBJ_obj2nid(X509_EXTENSION_get_object(one));
    const bool no_effect = nid == NID_subject_alt_name || nid == NID_name_constraints ||
                           nid == NID_certificate_policies || nid == NID_policy_mappings ||
                           nid == NID_policy_constraints || nid == NID_inhibit_any_policy;
    const bool known = no_effect || nid == NID_key_usage || nid == NID_basic_constraints ||
                       nid == NID_ext_key_usage || nid == NID_subject_key_identifier ||
                       nid == NID_authority_key_identifier || nid == NID_id_pkix_OCSP_noCheck;
    unknown |= X509_EXTENSION_get_critical(one) == 1 && !known;
  }
  FUZZ_CHECK(ours.unknown_critical == unknown);
}

void check_same(const Certificate& ours, const X509* theirs) {
  FUZZ_CHECK(X509_get_version(theirs) == X509_VERSION_3);
  FUZZ_CHECK(fuzz::same_integer(ours.serial, X509_get0_serialNumber(theirs)));
  FUZZ_CHECK(pki::equal(ours.issuer, fuzz::encode(i2d_X509_NAME, X509_get_issuer_name(theirs))));
  FUZZ_CHECK(pki::equal(ours.subject, fuzz::encode(i2d_X509_NAME, X509_get_subject_name(theirs))));
  FUZZ_CHECK(fuzz::same_time(ours.not_before, X509_get0_notBefore(theirs)));
  FUZZ_CHECK(fuzz::same_time(ours.not_after, X509_get0_notAfter(theirs)));
  FUZZ_CHECK(pki::equal(ours.key_bits, fuzz::octets_of(X509_get0_pubkey_bitstr(theirs))));

  const ASN1_BIT_STRING* signature = nullptr;
  const X509_ALGOR* algorithm = nullptr;
  X509_get0_signature(&signature, &algorithm, theirs);
  FUZZ_CHECK(pki::equal(ours.signature, fuzz::octets_of(signature)));

  const auto constraints = extension<ConstraintsPointer>(theirs, NID_basic_constraints);
  if (constraints) FUZZ_CHECK(ours.is_ca == (constraints->ca != 0));
  if (!has(theirs, NID_basic_constraints)) FUZZ_CHECK(!ours.is_ca);
  FUZZ_CHECK(ours.ocsp_nocheck == has(theirs, NID_id_pkix_OCSP_noCheck));
  check_key_usage(ours, theirs);
  check_purposes(ours, theirs);
  check_key_ids(ours, theirs);
  check_names(ours, theirs);
  check_criticality(ours, theirs);
}

// All that the program does with a certificate it has parsed.
void use(const Certificate& certificate) {
  FUZZ_CHECK(!pki::name_to_string(certificate.subject).empty());
  const auto key = pki::PublicKey::parse(certificate.spki);
  if (key) FUZZ_CHECK(!key->description().empty());
  const pki::IssuerHashes hashes(certificate);
  FUZZ_CHECK(!hashes.match(pki::CertId{}));
  // A signature that verifies is not to be had by chance; what counts is that nothing breaks.
  static_cast<void>(pki::check_responder(certificate, certificate, certificate.not_before,
                                         pki::TrustedResponder::no));
  static_cast<void>(pki::verify_issued_by(certificate, certificate));
  const auto signing = pki::check_signing_certificate(certificate, {});
  if (signing) FUZZ_CHECK(pki::read_four_information(certificate)->is_complete());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::Run run;
  const Bytes input(data, size);
  const auto ours = pki::parse_certificate(input);
  fuzz::check_refusal(ours, size);
  if (!ours) return 0;
  FUZZ_CHECK(pki::equal(ours->der, input));
  const auto theirs = fuzz::decode<X509Pointer>(d2i_X509, input);
  if (theirs) check_same(*ours, theirs.get());
  use(*ours);
  return 0;
}
