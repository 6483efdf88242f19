// The singleExtensions CrlID (RFC 6960 4.4.2) and ArchiveCutoff (4.4.4): OpenSSL writes the octets
// that ours are compared with, and reads what we write.
#include <openssl/x509v3.h>

#include <catch2/catch.hpp>

#include "libpki/ocsp_request.hpp"
#include "libpki/ocsp_response.hpp"
#include "tests/support/fixtures.hpp"
#include "tests/support/openssl.hpp"
#include "tests/support/result.hpp"

using namespace test;
using pki::CertStatus;

namespace {

constexpr std::string_view kCrlId = "1.3.6.1.5.5.7.48.1.3";
constexpr std::string_view kArchiveCutoff = "1.3.6.1.5.5.7.48.1.6";

using Extension = Owned<X509_EXTENSION, X509_EXTENSION_free>;

Octets octets_of(X509_EXTENSION* extension) {
  unsigned char* out = nullptr;
  const int size = i2d_X509_EXTENSION(extension, &out);
  Octets octets(out, out + size);
  OPENSSL_free(out);
  return octets;
}

pki::CrlNumber number_of(const Octets& content) {
  return pki::CrlNumber(pki::Bytes(content));
}

// A response with one answer, signed, and its bytes.
Octets respond(const pki::SingleResponse& answer) {
  const Octets request_der = data_file("request_sha256.der");
  pki::OcspRequest request;
  REQUIRE(pki::parse_request(request_der, request));
  pki::SingleResponse single = answer;
  single.cert_id = request.cert_ids[0].der;
  const Octets responder_der = data_pem("responder.pem");
  const auto id = pki::ResponderId::by_key(*pki::parse_certificate(responder_der));
  pki::ResponseContent content;
  content.responder_id = id.der;
  content.produced_at = at(2026, 2, 2);
  content.responses = {&single, 1};
  const pki::Bytes certificate = responder_der;
  content.certificates = {&certificate, 1};
  auto signer = pki::Signer::from_pem(data_text("responder.key"));
  REQUIRE(signer);
  pki::ResponseWriter writer;
  const auto der = writer.write(content, *signer);
  REQUIRE(der);
  return pki::to_vector(*der);
}

pki::SingleResponse good() {
  pki::SingleResponse single;
  single.status = CertStatus::good;
  single.this_update = at(2026, 2, 1);
  single.next_update = at(2026, 2, 8);
  return single;
}

Response read_by_openssl(const Octets& der) {
  const unsigned char* at = der.data();
  Response response(d2i_OCSP_RESPONSE(nullptr, &at, static_cast<long>(der.size())));
  REQUIRE(response);
  REQUIRE(at == der.data() + der.size());
  return response;
}

// The extensions of the only answer, each as OpenSSL encodes it anew.
std::vector<Octets> extensions_of(const Octets& der) {
  const BasicResponse basic(OCSP_response_get1_basic(read_by_openssl(der).get()));
  REQUIRE(basic);
  OCSP_SINGLERESP* single = OCSP_resp_get0(basic.get(), 0);
  std::vector<Octets> out;
  for (int i = 0; i < OCSP_SINGLERESP_get_ext_count(single); ++i) {
    out.push_back(octets_of(OCSP_SINGLERESP_get_ext(single, i)));
  }
  return out;
}

// What `openssl ocsp -resp_text` prints.
std::string text_of(const Octets& der) {
  const Bio out(BIO_new(BIO_s_mem()));
  REQUIRE(OCSP_RESPONSE_print(out.get(), read_by_openssl(der).get(), 0) == 1);
  char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

}  // namespace

TEST_CASE("ocsp_extensions: an answer without extensions has no empty list of them",
          "[ocsp_extensions]") {
  const Octets der = respond(good());
  CHECK(extensions_of(der).empty());
  const auto back = pki::parse_response(der);
  REQUIRE(refusal(back) == "accepted");
  CHECK_FALSE(back->singles[0].crl_id);
  CHECK_FALSE(back->singles[0].archive_cutoff);
}

TEST_CASE("ocsp_extensions: CrlID is what OpenSSL makes of the same fields", "[ocsp_extensions]") {
  const std::string url = GENERATE("", "http://ca.example/jpki.crl");
  // 128 needs a zero in front to stay positive; -1 stands for no number.
  long number = GENERATE(-1, 0, 1, 127, 128, 4711);
  const bool has_time = GENERATE(true, false);
  CAPTURE(url, number, has_time);

  std::string crl_time = "20260201000000Z";
  std::string crl_url = url;
  const Extension expected(OCSP_crlID_new(url.empty() ? nullptr : crl_url.data(),
                                          number < 0 ? nullptr : &number,
                                          has_time ? crl_time.data() : nullptr));
  REQUIRE(expected);

  pki::SingleResponse single = good();
  single.crl_id = pki::CrlId{pki::as_bytes(url), std::nullopt, std::nullopt};
  if (number >= 0) {
    single.crl_id->number = number_of(
        {static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number & 0xFF)});
  }
  if (has_time) single.crl_id->time = at(2026, 2, 1);
  const Octets der = respond(single);
  REQUIRE(extensions_of(der) == std::vector<Octets>{octets_of(expected.get())});

  const auto back = pki::parse_response(der);
  REQUIRE(refusal(back) == "accepted");
  REQUIRE(back->singles[0].crl_id);
  CHECK(pki::equal(back->singles[0].crl_id->url, pki::as_bytes(url)));
  CHECK(back->singles[0].crl_id->number == single.crl_id->number);
  CHECK(back->singles[0].crl_id->time == single.crl_id->time);
}

TEST_CASE("ocsp_extensions: ArchiveCutoff is what OpenSSL makes of the same time",
          "[ocsp_extensions]") {
  std::string time = "19991231235959Z";
  const Extension expected(OCSP_archive_cutoff_new(time.data()));
  REQUIRE(expected);
  pki::SingleResponse single = good();
  single.archive_cutoff = at(1999, 12, 31, 23, 59, 59);
  const Octets der = respond(single);
  CHECK(extensions_of(der) == std::vector<Octets>{octets_of(expected.get())});
  CHECK(pki::parse_response(der)->singles[0].archive_cutoff == single.archive_cutoff);
}

TEST_CASE("ocsp_extensions: both stand in the octets of the answer, not critical",
          "[ocsp_extensions]") {
  const std::string url = "http://ca.example/delta.crl";
  pki::SingleResponse single = good();
  single.status = CertStatus::revoked;
  single.revocation = {at(2026, 1, 15), pki::Reason::superseded};
  const Octets number(20, 0xFF);  // the longest that a list may have
  single.crl_id = pki::CrlId{pki::as_bytes(url), number_of(number), at(2026, 2, 1, 12)};
  single.archive_cutoff = at(2021, 2, 2);
  const Octets der = respond(single);

  // By hand, from RFC 6960.
  const Octets crl_id =
      sequence({tlv(0xA0, tlv(0x16, text(url))), tlv(0xA1, integer_of(concat({{0x00}, number}))),
                tlv(0xA2, generalized_time("20260201120000Z"))});
  const Octets expected =
      tlv(0xA1, sequence({extension(kCrlId, crl_id),
                          extension(kArchiveCutoff, generalized_time("20210202000000Z"))}));
  CHECK(std::search(der.begin(), der.end(), expected.begin(), expected.end()) != der.end());

  const std::string text = text_of(der);
  CHECK_THAT(text, Catch::Contains("OCSP CRL ID: \n") && Catch::Contains("crlUrl: " + url) &&
                       Catch::Contains("crlTime: Feb  1 12:00:00 2026 GMT") &&
                       Catch::Contains("OCSP Archive Cutoff: \n") &&
                       Catch::Contains("Feb  2 00:00:00 2021 GMT"));
  const BasicResponse basic(OCSP_response_get1_basic(read_by_openssl(der).get()));
  const Owned<X509_STORE, X509_STORE_free> store(X509_STORE_new());
  X509_STORE_add_cert(store.get(), load_certificate("ca_p256.pem").get());
  CHECK(OCSP_basic_verify(basic.get(), nullptr, store.get(), 0) == 1);
}

TEST_CASE("ocsp_extensions: malformed ones are refused by name", "[ocsp_extensions]") {
  const auto outcome = [](std::initializer_list<Octets> extensions) {
    const Octets id = sequence({algorithm("2.16.840.1.101.3.4.2.1"), octet_string(Octets(32, 1)),
                                octet_string(Octets(32, 2)), integer(5)});
    const Octets single = sequence({id, tlv(0x80, Octets{}), generalized_time("20260201000000Z"),
                                    tlv(0xA1, sequence(extensions))});
    const Octets data = sequence({tlv(0xA2, octet_string(Octets(20, 3))),
                                  generalized_time("20260201000000Z"), sequence({single})});
    const Octets basic =
        sequence({data, algorithm("1.2.840.10045.4.3.2"), bit_string(Octets(8, 4))});
    return code(pki::parse_response(sequence(
        {enumerated(0), tlv(0xA0, sequence({oid("1.3.6.1.5.5.7.48.1.1"), octet_string(basic)}))})));
  };
  const auto crl_id = [](std::initializer_list<Octets> fields) {
    return extension(kCrlId, sequence(fields));
  };
  const Octets cutoff = extension(kArchiveCutoff, generalized_time("20210202000000Z"));
  const Octets number = tlv(0xA1, integer(5));
  const Octets time = tlv(0xA2, generalized_time("20210202000000Z"));
  CHECK(outcome({crl_id({number, time}), cutoff, extension("1.2.3", null())}) == "accepted");
  CHECK(outcome({crl_id({})}) == "accepted");
  CHECK(outcome({cutoff, cutoff}) == "duplicate_extension");
  CHECK(outcome({crl_id({}), crl_id({})}) == "duplicate_extension");
  CHECK(outcome({crl_id({time, number})}) == "trailing_data");
  CHECK(outcome({crl_id({tlv(0xA1, integer_of({0x80}))})}) == "integer_out_of_range");
  CHECK(outcome({crl_id({tlv(0xA1, integer_of(Octets(21, 0x01)))})}) == "crl_number_too_long");
  CHECK(outcome({crl_id({tlv(0xA0, tlv(0x0C, text("http://a")))})}) == "bad_tag");
  CHECK(outcome({extension(kArchiveCutoff, utc_time("210202000000Z"))}) == "bad_tag");
  CHECK(
      outcome({extension(kArchiveCutoff, concat({generalized_time("20210202000000Z"), null()}))}) ==
      "trailing_data");
}
