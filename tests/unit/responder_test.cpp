#include "libpki/responder.hpp"

#include <catch2/catch.hpp>

#include "tests/support/fixtures.hpp"
#include "tests/support/openssl.hpp"
#include "tests/support/result.hpp"

using namespace test;
using pki::ResponderKind;
using pki::TrustedResponder;

namespace {

std::string check(std::string_view responder, std::string_view issuer,
                  TrustedResponder declared = TrustedResponder::no,
                  pki::Time now = at(2026, 2, 3)) {
  const Octets responder_der = data_pem(responder);
  const Octets issuer_der = data_pem(issuer);
  const auto responder_certificate = pki::parse_certificate(responder_der);
  const auto issuer_certificate = pki::parse_certificate(issuer_der);
  REQUIRE(responder_certificate);
  REQUIRE(issuer_certificate);
  const auto kind =
      pki::check_responder(*responder_certificate, *issuer_certificate, now, declared);
  return kind ? std::string(pki::to_string(*kind)) : refusal(kind);
}

}  // namespace

// RFC 6960 4.2.2.2: the CA itself, somebody it named, or somebody whom the client trusts anyway.
TEST_CASE("responder: the three kinds, and who is none", "[responder]") {
  CHECK(check("ca_p256.pem", "ca_p256.pem") == "the CA itself");
  CHECK(check("responder.pem", "ca_p256.pem") == "delegated");
  CHECK(check("responder_rsa.pem", "ca_rsa.pem") == "delegated");
  CHECK(check("responder_no_nocheck.pem", "ca_p256.pem") == "delegated");  // a warning elsewhere
  CHECK(check("responder_no_purpose.pem", "ca_p256.pem") == "key_usage@0 responder extKeyUsage");
  CHECK(check("responder_no_signature.pem", "ca_p256.pem") == "key_usage@0 responder keyUsage");
  CHECK(check("responder_unknown_critical.pem", "ca_p256.pem") ==
        "unknown_critical_extension@0 responder certificate");
  CHECK(check("responder_other_ca.pem", "ca_p256.pem") == "issuer_mismatch@0 issuer");
}

// The name is right and the key is not: JPKI's generations share one name.
TEST_CASE("responder: delegation is by the CA's key, not by its name", "[responder]") {
  CHECK(check("responder_other_key.pem", "ca_p256.pem") == "bad_signature@0 signature");
  CHECK(check("responder_other_key.pem", "ca_p256_rekeyed.pem") == "delegated");
  CHECK(check("ca_p256_rekeyed.pem", "ca_p256.pem", TrustedResponder::yes) ==
        "key_usage@0 responder keyUsage");
}

TEST_CASE("responder: a declared one is trusted, but not against its own certificate",
          "[responder]") {
  CHECK(check("responder_other_ca.pem", "ca_p256.pem", TrustedResponder::yes) == "trusted");
  CHECK(check("responder_other_key.pem", "ca_p256.pem", TrustedResponder::yes) == "trusted");
  CHECK(check("responder_no_purpose.pem", "ca_p256.pem", TrustedResponder::yes) == "trusted");
  CHECK(check("responder.pem", "ca_p256.pem", TrustedResponder::yes) == "delegated");
  CHECK(check("responder_no_signature.pem", "ca_p256.pem", TrustedResponder::yes) ==
        "key_usage@0 responder keyUsage");
  CHECK(check("responder_expired.pem", "ca_p256.pem", TrustedResponder::yes) ==
        "expired@0 responder certificate");
}

TEST_CASE("responder: must be in date, to the second", "[responder]") {
  const auto at_time = [](pki::Time now) {
    return check("responder_expired.pem", "ca_p256.pem", TrustedResponder::no, now);
  };
  CHECK(at_time(at(2019, 12, 31, 23, 59, 59)) == "not_yet_valid@0 responder certificate");
  CHECK(at_time(at(2020, 1, 1)) == "delegated");
  CHECK(at_time(at(2021, 1, 1)) == "delegated");  // notAfter is included (RFC 5280 4.1.2.5)
  CHECK(at_time(at(2021, 1, 1, 0, 0, 1)) == "expired@0 responder certificate");
}

// Both hashes count. With the name alone, one CA would answer for another of the same name.
TEST_CASE("responder: CertIDs by OpenSSL match the issuer they were made for, and no other",
          "[responder]") {
  const std::string file = GENERATE(values<std::string>(
      {"request_sha1.der", "request_sha256.der", "request_sha384.der", "request_sha512.der"}));
  CAPTURE(file);
  const Octets der = data_file(file);
  pki::OcspRequest request;
  REQUIRE(pki::parse_request(der, request));
  const auto match = [&](std::string_view issuer, const pki::CertId& id) {
    const Octets issuer_der = data_pem(issuer);
    return pki::IssuerHashes(*pki::parse_certificate(issuer_der)).match(id);
  };
  pki::CertId id = request.cert_ids[0];
  CHECK(match("ca_p256.pem", id));
  CHECK_FALSE(match("ca_p256_rekeyed.pem", id));  // same name, another key
  CHECK_FALSE(match("ca_rsa.pem", id));
  std::swap(id.issuer_key_hash, id.issuer_name_hash);
  CHECK_FALSE(match("ca_p256.pem", id));
  id = request.cert_ids[0];
  id.issuer_name_hash = id.issuer_name_hash.first(id.issuer_name_hash.size() - 1);
  CHECK_FALSE(match("ca_p256.pem", id));
  id = request.cert_ids[0];
  id.digest = std::nullopt;
  CHECK_FALSE(match("ca_p256.pem", id));
}
