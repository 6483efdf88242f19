#include "libpki/ocsp_request.hpp"

#include <catch2/catch.hpp>

#include "tests/support/fixtures.hpp"
#include "tests/support/openssl.hpp"
#include "tests/support/result.hpp"

using namespace test;
using pki::OcspRequest;

namespace {

constexpr auto kSha1 = "1.3.14.3.2.26";
constexpr auto kNonce = "1.3.6.1.5.5.7.48.1.2";

Octets cert_id(const Octets& serial = hex("01"), const Octets& digest = algorithm_with_null(kSha1),
               std::size_t hash_size = 20) {
  return sequence({digest, octet_string(Octets(hash_size, 0xAA)),
                   octet_string(Octets(hash_size, 0xBB)), integer_of(serial)});
}
Octets single(const Octets& id = cert_id()) {
  return sequence({id});
}
Octets extensions(std::initializer_list<Octets> list) {
  return tlv(0xA2, {sequence(list)});
}
Octets nonce(const Octets& value) {
  return extension(kNonce, value);
}

// OCSPRequest around the fields of its TBSRequest.
Octets request(std::initializer_list<Octets> fields, const Octets& signature = {}) {
  return sequence({sequence(fields), signature});
}

std::string outcome(const Octets& der) {
  OcspRequest out;
  return refusal(pki::parse_request(der, out));
}
std::string code_of(const Octets& der) {
  OcspRequest out;
  return code(pki::parse_request(der, out));
}

}  // namespace

TEST_CASE("ocsp_request: what OpenSSL sends is read, in every digest", "[ocsp_request]") {
  const auto [file, digest] = GENERATE(table<std::string, std::optional<pki::DigestAlgorithm>>({
      {"request_sha1.der", pki::DigestAlgorithm::sha1},
      {"request_sha256.der", pki::DigestAlgorithm::sha256},
      {"request_sha384.der", pki::DigestAlgorithm::sha384},
      {"request_sha512.der", pki::DigestAlgorithm::sha512},
      {"request_md5.der", std::nullopt},  // no fault of the encoding: nobody's certificate
  }));
  CAPTURE(file);
  const Octets der = data_file(file);
  OcspRequest out;
  REQUIRE(refusal(pki::parse_request(der, out)) == "accepted");
  REQUIRE(out.cert_ids.size() == 1);
  CHECK(out.cert_ids[0].digest == digest);
  CHECK(pki::to_hex(out.cert_ids[0].serial) == "0080");
  CHECK_FALSE(out.nonce);
  CHECK_FALSE(out.is_signed);

  // The bytes that an answer repeats are those that OpenSSL sees as the CertID.
  const unsigned char* at = der.data();
  const Owned<OCSP_REQUEST, OCSP_REQUEST_free> oracle(
      d2i_OCSP_REQUEST(nullptr, &at, static_cast<long>(der.size())));
  REQUIRE(oracle);
  unsigned char* encoded = nullptr;
  const int size =
      i2d_OCSP_CERTID(OCSP_onereq_get0_id(OCSP_request_onereq_get0(oracle.get(), 0)), &encoded);
  CHECK(pki::to_vector(out.cert_ids[0].der) == Octets(encoded, encoded + size));
  OPENSSL_free(encoded);
}

TEST_CASE("ocsp_request: several certificates, a nonce, a signature", "[ocsp_request]") {
  OcspRequest out;
  const Octets three = data_file("request_three.der");
  REQUIRE(pki::parse_request(three, out));
  REQUIRE(out.cert_ids.size() == 3);
  CHECK(pki::to_hex(out.cert_ids[0].serial) == "01");
  CHECK(pki::to_hex(out.cert_ids[1].serial) == "02");
  CHECK(pki::to_hex(out.cert_ids[2].serial) == "00" + std::string(40, 'f'));
  REQUIRE(out.nonce);
  CHECK(pki::to_hex(*out.nonce).starts_with("0410"));  // OCTET STRING of 16

  // The same object again: nothing of the request before may remain.
  const Octets plain = data_file("request_signed.der");
  REQUIRE(refusal(pki::parse_request(plain, out)) == "accepted");
  CHECK(out.cert_ids.size() == 1);
  CHECK(out.is_signed);
  const Octets unsigned_one = data_file("request_sha1.der");
  REQUIRE(pki::parse_request(unsigned_one, out));
  CHECK_FALSE(out.is_signed);
  CHECK_FALSE(out.nonce);
}

TEST_CASE("ocsp_request: RFC 6960 4.1.1, field by field", "[ocsp_request]") {
  const Octets list = sequence({single()});
  REQUIRE(outcome(request({list})) == "accepted");
  SECTION("version: 1 is the DEFAULT, which DER omits") {
    CHECK(outcome(request({tlv(0xA0, {integer(0)}), list})) == "default_encoded@4 version");
    CHECK(outcome(request({tlv(0xA0, {integer(1)}), list})) == "unsupported_version@4 version");
  }
  SECTION("requestorName is read over") {
    const Octets directory_name = tlv(0xA4, {name("Bank")});
    CHECK(outcome(request({tlv(0xA1, {directory_name}), list})) == "accepted");
    CHECK(code_of(request({tlv(0xA1, {directory_name, null()}), list})) == "trailing_data");
    CHECK(code_of(request({tlv(0xA1, Octets{}), list})) == "truncated");
  }
  SECTION("requestList: 1 to kCertIdsMax") {
    CHECK(outcome(request({sequence({})})) == "empty_request@6 requestList");
    CHECK(outcome(request({})) == "truncated@4 requestList");
    const Octets most = repeat(single(), pki::kCertIdsMax);
    CHECK(code_of(request({tlv(0x30, most)})) == "accepted");
    CHECK(code_of(request({tlv(0x30, concat({most, single()}))})) == "too_many_requests");
  }
  SECTION("CertID") {
    CHECK(code_of(request({sequence({single(cert_id(hex("FF")))})})) == "accepted");
    CHECK(code_of(request({sequence({single(cert_id(Octets(21, 1)))})})) == "serial_too_long");
    CHECK(code_of(request({sequence({single(cert_id(hex("00 01")))})})) == "bad_integer");
    CHECK(code_of(request({sequence({single(concat({cert_id(), null()}))})})) == "trailing_data");
    CHECK(code_of(request({sequence({sequence({hex("30 00")})})})) == "truncated");
  }
  SECTION("a hash is as long as its algorithm makes it") {
    const Octets sha1 = algorithm_with_null(kSha1);
    CHECK(code_of(request({sequence({single(cert_id(hex("01"), sha1, 19))})})) ==
          "bad_hash_length");
    CHECK(code_of(request({sequence({single(cert_id(hex("01"), sha1, 32))})})) ==
          "bad_hash_length");
    CHECK(code_of(request({sequence({single(cert_id(hex("01"), algorithm("1.2.3"), 7))})})) ==
          "accepted");
  }
  SECTION("bytes after the end") {
    Octets der = request({list});
    der.push_back(0);
    CHECK(outcome(der) == "trailing_data@" + std::to_string(der.size() - 1) + " OCSPRequest");
    CHECK(code_of(request({list, null()})) == "trailing_data");
    CHECK(code_of(request({list}, null())) == "trailing_data");
  }
}

// RFC 9654 2.1: 1 to 128 octets. Openly refused, since a responder that drops the nonce looks like
// one that replays.
TEST_CASE("ocsp_request: a nonce has 1 to 128 octets", "[ocsp_request]") {
  const Octets list = sequence({single()});
  const auto with = [&](const Octets& value) {
    return request({list, extensions({nonce(value)})});
  };
  for (const std::size_t size : {1UL, 8UL, 32UL, 127UL, 128UL}) {
    const Octets value = octet_string(Octets(size, 0x5A));
    const Octets der = with(value);
    OcspRequest out;
    REQUIRE(refusal(pki::parse_request(der, out)) == "accepted");
    REQUIRE(out.nonce);
    CHECK(pki::to_vector(*out.nonce) == value);  // echoed as it came
  }
  CHECK(code_of(with(octet_string({}))) == "bad_nonce_length");
  CHECK(code_of(with(octet_string(Octets(129, 0x5A)))) == "bad_nonce_length");
  CHECK(code_of(with({})) == "bad_nonce_length");
  // Bare octets, as clients wrote them before RFC 6960.
  CHECK(code_of(with(hex("DE AD BE EF"))) == "accepted");
  CHECK(code_of(with(Octets(128, 0x04))) == "accepted");
  CHECK(code_of(with(Octets(129, 0x04))) == "bad_nonce_length");

  const Octets one = nonce(octet_string(hex("01")));
  CHECK(code_of(request({list, extensions({one, one})})) == "duplicate_extension");
}

TEST_CASE("ocsp_request: RFC 6960 4.4, extensions known, unknown and critical", "[ocsp_request]") {
  const Octets list = sequence({single()});
  const auto with = [&](const Octets& one) { return code_of(request({list, extensions({one})})); };
  CHECK(with(extension("1.2.3.4", hex("DEAD"))) == "accepted");
  CHECK(with(critical_extension("1.2.3.4", hex("DEAD"))) == "unknown_critical_extension");
  CHECK(with(critical_extension("1.3.6.1.5.5.7.48.1.4", sequence({}))) == "accepted");
  CHECK(with(critical_extension("1.3.6.1.5.5.7.48.1.8", sequence({}))) == "accepted");
  CHECK(code_of(request({list, extensions({})})) == "empty_sequence");
  CHECK(code_of(request({list, tlv(0xA2, {sequence({nonce(octet_string(hex("01")))}), null()})})) ==
        "trailing_data");

  const auto with_single = [&](const Octets& one) {
    return code_of(request({sequence({sequence({cert_id(), tlv(0xA0, {sequence({one})})})})}));
  };
  CHECK(with_single(critical_extension("1.3.6.1.5.5.7.48.1.7", sequence({}))) == "accepted");
  CHECK(with_single(nonce(octet_string({}))) == "accepted");  // misplaced, ignored
  CHECK(with_single(critical_extension("1.2.3.4", null())) == "unknown_critical_extension");
}

TEST_CASE("ocsp_request: an optional signature is parsed and not believed", "[ocsp_request]") {
  const Octets list = sequence({single()});
  const Octets algorithm_id = algorithm("1.2.840.10045.4.3.2");
  const auto with = [&](std::initializer_list<Octets> fields) {
    return code_of(request({list}, tlv(0xA0, {sequence(fields)})));
  };
  const Octets signature = bit_string(hex("3000"));
  CHECK(with({algorithm_id, signature}) == "accepted");
  CHECK(with({algorithm_id, signature, tlv(0xA0, {sequence({sequence({})})})}) == "accepted");
  CHECK(with({algorithm_id, signature, tlv(0xA0, {sequence({null()})})}) == "bad_tag");
  CHECK(with({algorithm_id, hex("03 02 07 80")}) == "bad_bit_string");
  CHECK(with({algorithm_id}) == "truncated");
  CHECK(with({algorithm_id, signature, null()}) == "trailing_data");
}

TEST_CASE("ocsp_request: every truncation is refused, every mutation is survived",
          "[ocsp_request]") {
  const Octets der = data_file("request_three.der");
  OcspRequest out;
  for (std::size_t size = 0; size < der.size(); ++size) {
    REQUIRE(code(pki::parse_request(pki::Bytes(der).first(size), out)) == "truncated");
  }
  for (std::size_t i = 0; i < der.size(); ++i) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      Octets changed = der;
      changed[i] = static_cast<std::uint8_t>(changed[i] ^ 1U << bit);
      if (!pki::parse_request(changed, out)) continue;
      // Of a digest we do not know, the parameters are not looked into; nobody will match it.
      const auto is_known = [](const pki::CertId& id) { return id.digest.has_value(); };
      if (!std::ranges::all_of(out.cert_ids, is_known)) continue;
      // All else that is accepted, OpenSSL reads too.
      const unsigned char* at = changed.data();
      const Owned<OCSP_REQUEST, OCSP_REQUEST_free> oracle(
          d2i_OCSP_REQUEST(nullptr, &at, static_cast<long>(changed.size())));
      CAPTURE(i, bit);
      REQUIRE(oracle);
      REQUIRE(OCSP_request_onereq_count(oracle.get()) == static_cast<int>(out.cert_ids.size()));
    }
  }
}
