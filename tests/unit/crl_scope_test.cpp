#include "libpki/crl_scope.hpp"

#include <openssl/conf.h>
#include <openssl/x509v3.h>

#include <catch2/catch.hpp>
#include <set>

#include "libpki/crl.hpp"
#include "tests/support/crl_builder.hpp"
#include "tests/support/fixtures.hpp"
#include "tests/support/result.hpp"

using namespace test;

namespace {

// A list whose only peculiarity is this Extension.
Octets list_with(const Octets& extension_der) {
  CrlParts parts;
  parts.extensions = CrlParts::extensions_of({extension("2.5.29.20", integer(5)), extension_der});
  return parts.build();
}

// What a list of that scope says about it, or why it is refused.
std::string scope_of_list(const Octets& der) {
  const auto crl = pki::parse_crl(der);
  if (!crl) return code(crl);
  std::string text = to_string(crl->scope);
  if (crl->scope.only_user_certificates) text += " [user]";
  if (crl->scope.only_ca_certificates) text += " [CA]";
  return text;
}

// The extension as OpenSSL's own configuration language makes it.
Octets by_openssl(const std::string& config) {
  const Owned<CONF, NCONF_free> conf(NCONF_new(nullptr));
  const Bio bio(BIO_new_mem_buf(config.data(), static_cast<int>(config.size())));
  long line = 0;
  REQUIRE(NCONF_load_bio(conf.get(), bio.get(), &line) == 1);
  X509V3_CTX context{};
  X509V3_set_nconf(&context, conf.get());
  const Owned<X509_EXTENSION, X509_EXTENSION_free> made(X509V3_EXT_nconf_nid(
      conf.get(), &context, NID_issuing_distribution_point, "critical,@point"));
  REQUIRE(made);
  unsigned char* octets = nullptr;
  const int size = i2d_X509_EXTENSION(made.get(), &octets);
  const Octets der(octets, octets + size);
  OPENSSL_free(octets);
  return der;
}
std::string openssl_scope(const std::string& config) {
  return scope_of_list(list_with(by_openssl(config)));
}

// IssuingDistributionPoint of these fields, put together by hand.
std::string scope(std::initializer_list<Octets> fields) {
  return scope_of_list(list_with(critical_extension("2.5.29.28", sequence(fields))));
}
const Octets kTrue = hex("FF");

// The distribution points of JPKI: a directory name for each municipality.
constexpr const char* kMunicipality =
    "[point]\nfullname = dirName:name\n"
    "[name]\nC = JP\nO = JPKI\n1.OU = JPKI for digital signature\n2.OU = CRL Distribution Points\n"
    "3.OU = Tokyo-to\nCN = Kiyose-shi CRLDP\n";

}  // namespace

TEST_CASE("crl scope: what OpenSSL writes is read", "[crl]") {
  CHECK(scope_of_list(data_file("crl_p256_sha256.der")) == "all certificates");
  CHECK(scope_of_list(data_file("crl_partition.der")) == "http://crl.example/1.crl [user]");
  CHECK(scope_of_list(data_file("crl_indirect.der")) == "indirect_crl");
  CHECK(openssl_scope("[point]\nfullname = URI:http://crl.example/2.crl\n") ==
        "http://crl.example/2.crl");
  CHECK(openssl_scope("[point]\nonlyuser = TRUE\n") == "user certificates [user]");
  CHECK(openssl_scope("[point]\nonlyCA = TRUE\n") == "CA certificates [CA]");
  CHECK(openssl_scope("[point]\nonlyAA = TRUE\n") == "unsupported_scope");
  CHECK(openssl_scope("[point]\nindirectCRL = TRUE\n") == "indirect_crl");
  CHECK(openssl_scope("[point]\nonlysomereasons = keyCompromise, CACompromise\n") ==
        "unsupported_scope");
  const std::string municipality = openssl_scope(kMunicipality);
  CAPTURE(municipality);
  for (const char* part : {"C=JP", "O=JPKI", "OU=JPKI for digital signature",
                           "OU=CRL Distribution Points", "OU=Tokyo-to", "CN=Kiyose-shi CRLDP"}) {
    CHECK(municipality.find(part) != std::string::npos);
  }
}

// RFC 5280 5.2.5, field by field.
TEST_CASE("crl scope: IssuingDistributionPoint by hand, right and wrong", "[crl]") {
  const Octets url = tlv(0x86, text("http://x/"));
  const Octets point = tlv(0xA0, {tlv(0xA0, url)});
  const Octets user = tlv(0x81, kTrue);
  const Octets ca = tlv(0x82, kTrue);
  CHECK(scope({point}) == "http://x/");
  CHECK(scope({point, user}) == "http://x/ [user]");
  CHECK(scope({point, ca}) == "http://x/ [CA]");
  CHECK(scope({user}) == "user certificates [user]");
  CHECK(scope({}) == "empty_sequence");
  CHECK(scope({tlv(0xA0, Octets{})}) == "empty_sequence");
  SECTION("flags: TRUE or nothing") {
    for (const unsigned tag : {0x81U, 0x82U, 0x84U, 0x85U}) {
      CHECK(scope({point, tlv(tag, hex("00"))}) == "default_encoded");
      CHECK(scope({point, tlv(tag, hex("01"))}) == "bad_boolean");
      CHECK(scope({point, tlv(tag, Octets{})}) == "bad_boolean");
      CHECK(scope({point, tlv(tag, hex("FFFF"))}) == "bad_boolean");
    }
    CHECK(scope({user, ca}) == "unsupported_scope");  // at most one of them may be set
  }
  SECTION("what leaves certificates to somebody else") {
    CHECK(scope({tlv(0x83, hex("06 40"))}) == "unsupported_scope");
    CHECK(scope({point, tlv(0x83, hex("06 40"))}) == "unsupported_scope");
    CHECK(scope({tlv(0x85, kTrue)}) == "unsupported_scope");
    CHECK(scope({tlv(0x84, kTrue)}) == "indirect_crl");
    CHECK(scope({point, user, tlv(0x84, kTrue)}) == "indirect_crl");
    CHECK(scope({tlv(0x84, kTrue), tlv(0x85, kTrue)}) == "indirect_crl");
  }
  SECTION("order, repetition, unknown fields") {
    CHECK(scope({user, point}) == "trailing_data");
    CHECK(scope({user, user}) == "trailing_data");
    CHECK(scope({tlv(0x86, kTrue)}) == "trailing_data");
    CHECK(scope({tlv(0x80, url)}) == "trailing_data");  // [0] is constructed
  }
  SECTION("the value of the extension is one SEQUENCE") {
    const auto value = [](const Octets& octets) {
      return scope_of_list(list_with(critical_extension("2.5.29.28", octets)));
    };
    CHECK(value({}) == "truncated");
    CHECK(value(null()) == "bad_tag");
    CHECK(value(concat({sequence({user}), null()})) == "trailing_data");
  }
}

// A log line and a terminal take what a list says of itself before its signature is known.
TEST_CASE("crl scope: names that can't be shown are shown as hex", "[crl]") {
  const Octets bell = tlv(0x86, text("http://x/\a\n"));
  const Octets whole = tlv(0xA0, bell);
  CHECK(scope({tlv(0xA0, whole)}) == pki::to_hex(whole));
  const Octets relative = tlv(0xA1, {sequence({oid("2.5.4.3"), tlv(0x0C, text("x"))})});
  CHECK(scope({tlv(0xA0, relative)}) == pki::to_hex(relative));
  const Octets rubbish = hex("04 00");
  CHECK(scope({tlv(0xA0, rubbish)}) == pki::to_hex(rubbish));
}

// Lists are told apart by it: the same for the same DER, another one for any other.
TEST_CASE("crl scope: the identity is the SHA-256 of the extension's value", "[crl]") {
  const auto id_of = [](const Octets& der) {
    const auto crl = pki::parse_crl(der);
    REQUIRE(refusal(crl) == "accepted");
    return crl->scope.id();
  };
  const Octets value = sequence({tlv(0x81, kTrue)});
  Octets expected(32);
  REQUIRE(EVP_Digest(value.data(), value.size(), expected.data(), nullptr, EVP_sha256(), nullptr) ==
          1);
  CHECK(pki::to_hex(id_of(list_with(critical_extension("2.5.29.28", value)))) ==
        pki::to_hex(expected));
  CHECK(id_of(CrlParts{}.build()) == pki::ScopeId{});

  std::set<pki::ScopeId> ids = {pki::ScopeId{}};
  for (const std::string& config :
       {std::string(kMunicipality), std::string(kMunicipality) + "2.CN = x\n",
        std::string("[point]\nonlyuser = TRUE\n"), std::string("[point]\nonlyCA = TRUE\n"),
        std::string("[point]\nfullname = URI:http://x/1\n"),
        std::string("[point]\nfullname = URI:http://x/2\n"),
        std::string("[point]\nfullname = URI:http://x/1\nonlyuser = TRUE\n")}) {
    CAPTURE(config);
    CHECK(ids.insert(id_of(list_with(by_openssl(config)))).second);
    CHECK(ids.contains(id_of(list_with(by_openssl(config)))));
  }
}
