// fuzz_ocsp_request.cpp: parse_request against OpenSSL's d2i_OCSP_REQUEST.
#include "fuzz_support.hpp"
#include "libpki/ocsp_request.hpp"
#include "libpki/serial.hpp"

namespace {

using pki::Bytes;
using pki::CertId;
using pki::OcspRequest;
using RequestPointer = std::unique_ptr<OCSP_REQUEST, fuzz::Deleter<OCSP_REQUEST_free>>;

int nid_of(pki::DigestAlgorithm algorithm) {
  switch (algorithm) {
    case pki::DigestAlgorithm::sha1: return NID_sha1;
    case pki::DigestAlgorithm::sha256: return NID_sha256;
    case pki::DigestAlgorithm::sha384: return NID_sha384;
    case pki::DigestAlgorithm::sha512: return NID_sha512;
  }
  std::abort();
}

void check_cert_id(const CertId& ours, OCSP_CERTID* theirs) {
  ASN1_OCTET_STRING* name_hash = nullptr;
  ASN1_OBJECT* digest = nullptr;
  ASN1_OCTET_STRING* key_hash = nullptr;
  ASN1_INTEGER* serial = nullptr;
  FUZZ_CHECK(OCSP_id_get0_info(&name_hash, &digest, &key_hash, &serial, theirs) == 1);
  FUZZ_CHECK(pki::equal(ours.issuer_name_hash, fuzz::octets_of(name_hash)));
  FUZZ_CHECK(pki::equal(ours.issuer_key_hash, fuzz::octets_of(key_hash)));
  FUZZ_CHECK(fuzz::same_integer(ours.serial, serial));
  if (ours.digest) FUZZ_CHECK(OBJ_obj2nid(digest) == nid_of(*ours.digest));
}

void check_nonce(const OcspRequest& ours, OCSP_REQUEST* theirs) {
  const int at = OCSP_REQUEST_get_ext_by_NID(theirs, NID_id_pkix_OCSP_Nonce, -1);
  FUZZ_CHECK(ours.nonce.has_value() == (at >= 0));
  if (!ours.nonce) return;
  const ASN1_OCTET_STRING* value = X509_EXTENSION_get_data(OCSP_REQUEST_get_ext(theirs, at));
  FUZZ_CHECK(pki::equal(*ours.nonce, fuzz::octets_of(value)));
}

void check_same(const OcspRequest& ours, OCSP_REQUEST* theirs) {
  const int count = OCSP_request_onereq_count(theirs);
  FUZZ_CHECK(static_cast<std::size_t>(count) == ours.cert_ids.size());
  for (int i = 0; i < count; ++i) {
    check_cert_id(ours.cert_ids[static_cast<std::size_t>(i)],
                  OCSP_onereq_get0_id(OCSP_request_onereq_get0(theirs, i)));
  }
  FUZZ_CHECK(ours.is_signed == (OCSP_request_is_signed(theirs) == 1));
  check_nonce(ours, theirs);
}

// What the header promises, without a second opinion.
void check_promises(const OcspRequest& request, Bytes input) {
  FUZZ_CHECK(!request.cert_ids.empty() && request.cert_ids.size() <= pki::kCertIdsMax);
  const auto is_inside = [&](Bytes part) {
    return part.data() >= input.data() && part.data() + part.size() <= input.data() + input.size();
  };
  FUZZ_CHECK(is_inside(request.request_list));
  for (const CertId& id : request.cert_ids) {
    FUZZ_CHECK(is_inside(id.der));
    FUZZ_CHECK(pki::equal(pki::SerialKey::from_der(id.serial).to_der(), id.serial));
  }
  // 128 octets and at most three of tag and length around them.
  if (request.nonce) FUZZ_CHECK(!request.nonce->empty() && request.nonce->size() <= 131);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::Run run;
  static OcspRequest request;  // kept from run to run, as a server's worker does
  const Bytes input(data, size);
  const auto parsed = pki::parse_request(input, request);
  fuzz::check_refusal(parsed, size);
  if (!parsed) return 0;
  check_promises(request, input);
  const auto theirs = fuzz::decode<RequestPointer>(d2i_OCSP_REQUEST, input);
  if (theirs) check_same(request, theirs.get());
  return 0;
}
