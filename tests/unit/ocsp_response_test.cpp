#include "libpki/ocsp_response.hpp"

#include <catch2/catch.hpp>

#include "libpki/ocsp_request.hpp"
#include "tests/support/fixtures.hpp"
#include "tests/support/openssl.hpp"
#include "tests/support/result.hpp"

using namespace test;
using pki::CertStatus;
using pki::Reason;

namespace {

pki::Signer signer_of(std::string_view file) {
  auto signer = pki::Signer::from_pem(data_text(file));
  REQUIRE(signer);
  return std::move(*signer);
}

Response read_by_openssl(pki::Bytes der) {
  const unsigned char* at = der.data();
  Response response(d2i_OCSP_RESPONSE(nullptr, &at, static_cast<long>(der.size())));
  REQUIRE(response);
  REQUIRE(at == der.data() + der.size());
  return response;
}

bool is_time(const ASN1_GENERALIZEDTIME* asn1, pki::Time time) {
  return ASN1_TIME_cmp_time_t(asn1, time.time_since_epoch().count()) == 0;
}

}  // namespace

// RFC 6960 2.3: these carry nothing, so they are constants, and not signed.
TEST_CASE("ocsp_response: the five error answers are five octets each", "[ocsp_response]") {
  using pki::ResponseStatus;
  const auto [status, code_octet, text] = GENERATE(table<ResponseStatus, int, std::string>({
      {ResponseStatus::malformed_request, OCSP_RESPONSE_STATUS_MALFORMEDREQUEST,
       "malformedRequest"},
      {ResponseStatus::internal_error, OCSP_RESPONSE_STATUS_INTERNALERROR, "internalError"},
      {ResponseStatus::try_later, OCSP_RESPONSE_STATUS_TRYLATER, "tryLater"},
      {ResponseStatus::sig_required, OCSP_RESPONSE_STATUS_SIGREQUIRED, "sigRequired"},
      {ResponseStatus::unauthorized, OCSP_RESPONSE_STATUS_UNAUTHORIZED, "unauthorized"},
  }));
  const pki::Bytes der = pki::error_response(status);
  CHECK(pki::to_vector(der) == sequence({enumerated(static_cast<unsigned>(code_octet))}));
  CHECK(OCSP_response_status(read_by_openssl(der).get()) == code_octet);
  CHECK(pki::to_string(status) == text);
  const auto back = pki::parse_response(der);
  REQUIRE(back);
  CHECK(back->status == status);
}

TEST_CASE("ocsp_response: what we sign, OpenSSL verifies and reads", "[ocsp_response]") {
  const auto [responder_file, key_file, ca_file] =
      GENERATE(table<std::string, std::string, std::string>({
          {"responder.pem", "responder.key", "ca_p256.pem"},
          {"responder_rsa.pem", "responder_rsa.key", "ca_rsa.pem"},
          {"ca_p384.pem", "ca_p384.key", "ca_p384.pem"},
          {"ca_p521.pem", "ca_p521.key", "ca_p521.pem"},
          {"ca_ed25519.pem", "ca_ed25519.key", "ca_ed25519.pem"},
      }));
  const bool by_key = GENERATE(true, false);
  const bool with_nonce = GENERATE(true, false);
  CAPTURE(responder_file, by_key, with_nonce);

  // CertIDs for this CA, made by OpenSSL: one good, one revoked, one revoked without reason, one
  // unknown.
  const X509Certificate ca = load_certificate(ca_file);
  std::vector<Octets> ids;
  for (const std::uint32_t serial : {1U, 128U, 3U, 4U}) {
    const Octets number = integer(serial);
    const unsigned char* at = number.data();
    const Asn1Integer asn1(d2i_ASN1_INTEGER(nullptr, &at, static_cast<long>(number.size())));
    const Owned<OCSP_CERTID, OCSP_CERTID_free> id(
        OCSP_cert_id_new(EVP_sha256(), X509_get_subject_name(ca.get()),
                         X509_get0_pubkey_bitstr(ca.get()), asn1.get()));
    unsigned char* out = nullptr;
    const int size = i2d_OCSP_CERTID(id.get(), &out);
    ids.emplace_back(out, out + size);
    OPENSSL_free(out);
  }
  const pki::Time this_update = at(2026, 2, 1);
  const pki::Time next_update = at(2049, 12, 31);
  const std::vector<pki::SingleResponse> singles = {
      {ids[0], CertStatus::good, {}, this_update, next_update},
      {ids[1],
       CertStatus::revoked,
       {at(2026, 1, 15), Reason::key_compromise},
       this_update,
       next_update},
      {ids[2], CertStatus::revoked, {at(1999, 12, 31), Reason::absent}, this_update, next_update},
      {ids[3], CertStatus::unknown, {}, this_update, next_update},
  };
  const Octets responder_der = data_pem(responder_file);
  const auto responder = pki::parse_certificate(responder_der);
  REQUIRE(responder);
  const auto id =
      by_key ? pki::ResponderId::by_key(*responder) : pki::ResponderId::by_name(*responder);
  const Octets nonce = octet_string(Octets(32, 0x5A));
  const std::vector<pki::Bytes> certificates = {responder_der};
  pki::ResponseContent content;
  content.responder_id = id.der;
  content.produced_at = at(2026, 2, 3, 4, 5, 6);
  content.responses = singles;
  if (with_nonce) content.nonce = nonce;
  content.certificates = certificates;

  pki::Signer signer = signer_of(key_file);
  pki::ResponseWriter writer;
  REQUIRE(writer.write(content, signer));
  const auto der = writer.write(content, signer);  // again, with buffers that have grown
  REQUIRE(der);
  const Response response = read_by_openssl(*der);
  CHECK(OCSP_response_status(response.get()) == OCSP_RESPONSE_STATUS_SUCCESSFUL);
  const BasicResponse basic(OCSP_response_get1_basic(response.get()));
  REQUIRE(basic);
  const Owned<X509_STORE, X509_STORE_free> store(X509_STORE_new());
  X509_STORE_add_cert(store.get(), ca.get());
  CHECK(OCSP_basic_verify(basic.get(), nullptr, store.get(), 0) == 1);
  CHECK(is_time(OCSP_resp_get0_produced_at(basic.get()), content.produced_at));

  const ASN1_OCTET_STRING* key_hash = nullptr;
  const X509_NAME* responder_name = nullptr;
  REQUIRE(OCSP_resp_get0_id(basic.get(), &key_hash, &responder_name) == 1);
  CHECK((key_hash != nullptr) == by_key);
  const int nonce_at = OCSP_BASICRESP_get_ext_by_NID(basic.get(), NID_id_pkix_OCSP_Nonce, -1);
  REQUIRE((nonce_at >= 0) == with_nonce);
  if (with_nonce) {
    const ASN1_OCTET_STRING* value =
        X509_EXTENSION_get_data(OCSP_BASICRESP_get_ext(basic.get(), nonce_at));
    CHECK(Octets(value->data, value->data + value->length) == nonce);
  }

  REQUIRE(OCSP_resp_count(basic.get()) == static_cast<int>(singles.size()));
  constexpr int kStatuses[] = {V_OCSP_CERTSTATUS_GOOD, V_OCSP_CERTSTATUS_REVOKED,
                               V_OCSP_CERTSTATUS_REVOKED, V_OCSP_CERTSTATUS_UNKNOWN};
  for (std::size_t i = 0; i < singles.size(); ++i) {
    OCSP_SINGLERESP* single = OCSP_resp_get0(basic.get(), static_cast<int>(i));
    int reason = -2;
    ASN1_GENERALIZEDTIME* revoked_at = nullptr;
    ASN1_GENERALIZEDTIME* from = nullptr;
    ASN1_GENERALIZEDTIME* to = nullptr;
    CHECK(OCSP_single_get0_status(single, &reason, &revoked_at, &from, &to) == kStatuses[i]);
    CHECK(is_time(from, this_update));
    CHECK(is_time(to, next_update));
    if (singles[i].status == CertStatus::revoked) {
      CHECK(is_time(revoked_at, singles[i].revocation.date));
      CHECK(reason == (i == 1 ? OCSP_REVOKED_STATUS_KEYCOMPROMISE : OCSP_REVOKED_STATUS_NOSTATUS));
    }
    unsigned char* encoded = nullptr;
    const int size = i2d_OCSP_CERTID(OCSP_SINGLERESP_get0_id(single), &encoded);
    CHECK(Octets(encoded, encoded + size) == ids[i]);  // byte for byte
    OPENSSL_free(encoded);
  }

  // And our own reader says the same.
  const auto back = pki::parse_response(*der);
  REQUIRE(refusal(back) == "accepted");
  CHECK(back->produced_at == content.produced_at);
  CHECK(back->responder_key_hash.empty() != by_key);
  CHECK(back->responder_name.empty() == by_key);
  CHECK(back->nonce.has_value() == with_nonce);
  CHECK_FALSE(back->extended_revoke);
  REQUIRE(back->singles.size() == singles.size());
  for (std::size_t i = 0; i < singles.size(); ++i) {
    CHECK(back->singles[i].status == singles[i].status);
    CHECK(pki::equal(back->singles[i].cert_id, ids[i]));
    CHECK(back->singles[i].next_update == next_update);
    if (singles[i].status == CertStatus::revoked) {
      CHECK(back->singles[i].revocation == singles[i].revocation);
    }
  }
  const auto key = pki::PublicKey::parse(responder->spki);
  CHECK(pki::verify_signature(*back->algorithm, *key, back->response_data, back->signature));
}

// RFC 6960 2.2 and 4.4.8.
TEST_CASE("ocsp_response: a serial that was never issued is on hold since 1970, and says so",
          "[ocsp_response]") {
  CHECK(pki::never_issued() == pki::Revocation{at(1970, 1, 1), Reason::certificate_hold});
  const Octets request_der = data_file("request_sha1.der");
  pki::OcspRequest request;
  REQUIRE(pki::parse_request(request_der, request));
  const Octets responder_der = data_pem("responder.pem");
  const auto id = pki::ResponderId::by_key(*pki::parse_certificate(responder_der));
  const std::vector<pki::SingleResponse> singles = {{request.cert_ids[0].der, CertStatus::revoked,
                                                     pki::never_issued(), at(2026, 2, 1),
                                                     at(2026, 2, 8)}};
  pki::ResponseContent content;
  content.responder_id = id.der;
  content.produced_at = at(2026, 2, 2);
  content.responses = singles;
  content.extended_revoke = pki::ExtendedRevoke::include;
  pki::Signer signer = signer_of("responder.key");
  pki::ResponseWriter writer;
  const auto der = writer.write(content, signer);
  REQUIRE(der);
  const BasicResponse basic(OCSP_response_get1_basic(read_by_openssl(*der).get()));
  REQUIRE(basic);
  const Owned<ASN1_OBJECT, ASN1_OBJECT_free> extended(OBJ_txt2obj("1.3.6.1.5.5.7.48.1.9", 1));
  CHECK(OCSP_BASICRESP_get_ext_by_OBJ(basic.get(), extended.get(), -1) >= 0);
  int reason = -2;
  ASN1_GENERALIZEDTIME* revoked_at = nullptr;
  CHECK(OCSP_single_get0_status(OCSP_resp_get0(basic.get(), 0), &reason, &revoked_at, nullptr,
                                nullptr) == V_OCSP_CERTSTATUS_REVOKED);
  CHECK(reason == OCSP_REVOKED_STATUS_CERTIFICATEHOLD);
  CHECK(is_time(revoked_at, at(1970, 1, 1)));
  CHECK(pki::parse_response(*der)->extended_revoke);
}

TEST_CASE("ocsp_response: answers of OpenSSL's responder are read", "[ocsp_response]") {
  const std::string file = GENERATE(
      values<std::string>({"response_by_name.der", "response_by_key.der", "response_three.der",
                           "response_no_certificates.der", "response_no_next_update.der"}));
  CAPTURE(file);
  const Octets der = data_file(file);
  const auto response = pki::parse_response(der);
  REQUIRE(refusal(response) == "accepted");
  CHECK(response->responder_key_hash.empty() == (file != "response_by_key.der"));
  CHECK(response->certificates.empty() == (file == "response_no_certificates.der"));
  CHECK(response->singles[0].next_update.has_value() == (file != "response_no_next_update.der"));
  if (file == "response_three.der") {
    REQUIRE(response->singles.size() == 3);
    CHECK(response->singles[0].status == CertStatus::revoked);
    CHECK(response->singles[0].revocation ==
          pki::Revocation{at(2026, 1, 15, 9, 30, 1), Reason::key_compromise});
    CHECK(response->singles[0].digest == pki::DigestAlgorithm::sha256);
    CHECK(response->singles[1].status == CertStatus::good);
    CHECK(response->singles[2].status == CertStatus::unknown);
    CHECK(response->nonce);
  } else {
    REQUIRE(response->singles.size() == 1);
    CHECK(response->singles[0].revocation ==
          pki::Revocation{at(2026, 1, 15, 9, 30, 2), Reason::absent});
    CHECK(pki::to_hex(response->singles[0].serial) == "0080");
  }
  for (std::size_t size = 0; size < der.size(); ++size) {
    REQUIRE(code(pki::parse_response(pki::Bytes(der).first(size))) == "truncated");
  }
}

TEST_CASE("ocsp_response: malformed answers are refused by name", "[ocsp_response]") {
  const auto outcome = [](const Octets& der) { return refusal(pki::parse_response(der)); };
  CHECK(outcome(sequence({enumerated(4)})) == "integer_out_of_range@2 responseStatus");
  CHECK(outcome(sequence({enumerated(7)})) == "integer_out_of_range@2 responseStatus");
  CHECK(outcome(sequence({enumerated(1), null()})) == "trailing_data@5 OCSPResponse");
  CHECK(outcome(sequence({enumerated(0)})) == "truncated@5 responseBytes");
  const Octets other_type = sequence({oid("1.2.3"), octet_string(sequence({}))});
  CHECK(outcome(sequence({enumerated(0), tlv(0xA0, {other_type})})) ==
        "unsupported_algorithm@9 responseType");
}
