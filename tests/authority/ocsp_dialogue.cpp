#include "authority/ocsp_dialogue.hpp"

#include <openssl/ocsp.h>

#include <ctime>

#include "authority/failure.hpp"

namespace authority {
namespace {

using RequestPointer = std::unique_ptr<OCSP_REQUEST, Deleter<OCSP_REQUEST_free>>;
using ResponsePointer = std::unique_ptr<OCSP_RESPONSE, Deleter<OCSP_RESPONSE_free>>;
using BasicPointer = std::unique_ptr<OCSP_BASICRESP, Deleter<OCSP_BASICRESP_free>>;
using IdPointer = std::unique_ptr<OCSP_CERTID, Deleter<OCSP_CERTID_free>>;
using IntegerPointer = std::unique_ptr<ASN1_INTEGER, Deleter<ASN1_INTEGER_free>>;

constexpr std::uint8_t kCertificateHold = 6;

IdPointer make_id(X509* issuer, const EVP_MD* digest, const Serial& serial) {
  const BignumPointer number(BN_bin2bn(serial.octets.data(), serial.size, nullptr));
  const IntegerPointer integer(BN_to_ASN1_INTEGER(number.get(), nullptr));
  IdPointer id(OCSP_cert_id_new(digest, X509_get_subject_name(issuer),
                                X509_get0_pubkey_bitstr(issuer), integer.get()));
  require(id != nullptr, "making a CertID");
  return id;
}

Instant instant_of(const ASN1_GENERALIZEDTIME* time) {
  std::tm parts{};
  require(time != nullptr && ASN1_TIME_to_tm(time, &parts) == 1, "reading a time of a response");
  return ::timegm(&parts);
}

StatusAnswer read_single(OCSP_SINGLERESP* single) {
  int reason = -1;
  ASN1_GENERALIZEDTIME* revoked_at = nullptr;
  ASN1_GENERALIZEDTIME* this_update = nullptr;
  StatusAnswer answer;
  const int status = OCSP_single_get0_status(single, &reason, &revoked_at, &this_update, nullptr);
  answer.this_update = instant_of(this_update);
  if (status == V_OCSP_CERTSTATUS_GOOD) answer.status = StatusAnswer::Status::good;
  if (status != V_OCSP_CERTSTATUS_REVOKED) return answer;
  answer.status = StatusAnswer::Status::revoked;
  answer.revocation_date = instant_of(revoked_at);
  if (reason >= 0) answer.reason = static_cast<std::uint8_t>(reason);
  return answer;
}

BasicPointer read_response(OctetView octets) {
  const unsigned char* at = octets.data();
  const ResponsePointer response(d2i_OCSP_RESPONSE(nullptr, &at, static_cast<long>(octets.size())));
  if (!response || at != octets.data() + octets.size()) {
    fail_openssl("the responder's answer is no OCSP response");
  }
  const int status = OCSP_response_status(response.get());
  if (status != OCSP_RESPONSE_STATUS_SUCCESSFUL) {
    throw Failure(std::string("the responder refuses: ") + OCSP_response_status_str(status));
  }
  BasicPointer basic(OCSP_response_get1_basic(response.get()));
  require(basic != nullptr, "reading a basic OCSP response");
  return basic;
}

}  // namespace

bool StatusAnswer::is_hold() const {
  return status == Status::revoked && reason == kCertificateHold;
}

OcspDialogue::OcspDialogue(X509* issuer, const EVP_MD* digest)
    : issuer_(issuer), digest_(digest), trusted_(X509_STORE_new()) {
  require(trusted_ && X509_STORE_add_cert(trusted_.get(), issuer) == 1 &&
              X509_STORE_set_flags(trusted_.get(), X509_V_FLAG_NO_CHECK_TIME) == 1,
          "preparing to verify OCSP responses");
}

Octets OcspDialogue::question(std::span<const Serial> serials) const {
  const RequestPointer request(OCSP_REQUEST_new());
  for (const Serial& serial : serials) {
    IdPointer id = make_id(issuer_, digest_, serial);
    require(OCSP_request_add0_id(request.get(), id.get()) != nullptr, "adding a CertID");
    static_cast<void>(id.release());  // the request's now
  }
  unsigned char* encoded = nullptr;
  const int size = i2d_OCSP_REQUEST(request.get(), &encoded);
  require(size > 0, "encoding an OCSP request");
  Octets octets(encoded, encoded + size);
  OPENSSL_free(encoded);
  return octets;
}

std::vector<StatusAnswer> OcspDialogue::answers(std::span<const Serial> serials,
                                                OctetView response) const {
  const BasicPointer basic = read_response(response);
  if (OCSP_basic_verify(basic.get(), nullptr, trusted_.get(), 0) != 1) {
    fail_openssl("the response's signature is not to be trusted");
  }
  std::vector<StatusAnswer> answers;
  for (const Serial& serial : serials) {
    const IdPointer id = make_id(issuer_, digest_, serial);
    const int index = OCSP_resp_find(basic.get(), id.get(), -1);
    if (index < 0) throw Failure("the response leaves out serial " + hexadecimal(serial));
    answers.push_back(read_single(OCSP_resp_get0(basic.get(), index)));
  }
  return answers;
}

}  // namespace authority
