// errors_test.cpp: every code of pki::Errc has an input that yields it.
#include <xxhash.h>

#include <catch2/catch.hpp>
#include <functional>
#include <map>
#include <regex>
#include <set>

#include "libpki/cms.hpp"
#include "libpki/consent_token.hpp"
#include "libpki/generation.hpp"
#include "libpki/jpki_profile.hpp"
#include "libpki/ocsp_request.hpp"
#include "libpki/responder.hpp"
#include "libpki/strict_json.hpp"
#include "tests/support/crl_builder.hpp"
#include "tests/support/fixtures.hpp"
#include "tests/support/index_builder.hpp"
#include "tests/support/jose.hpp"

using namespace test;
using pki::Errc;

namespace {

// Codes that no function of libpki returns, or none that a test can make return it.
const std::map<Errc, std::string> kYieldedElsewhere = {
    {Errc::crl_number_decreased, "the ingest service compares a list with the one in force"},
    {Errc::crl_number_reused, "the ingest service"},
    {Errc::this_update_decreased, "the ingest service"},
    {Errc::index_other_issuer, "the ingest and serve commands know whose index they want"},
    {Errc::index_base_missing, "the index directory, which knows what files there are"},
    {Errc::too_many_entries, "four thousand million entries: 60 GB of memory"},
};

std::string der(std::string_view digits) {
  const Octets octets = hex(digits);
  return code(pki::der::Reader(octets).any("x"));
}
template <class Read>
std::string simple(std::string_view digits, Read read) {
  const Octets octets = hex(digits);
  pki::der::Reader reader(octets);
  const auto element = reader.any("x");
  return code(read(reader, *element, "x"));
}
std::string crl(const std::function<void(CrlParts&)>& spoil) {
  CrlParts parts;
  spoil(parts);
  const Octets octets = parts.build();
  const auto list = pki::parse_crl(octets);
  if (!list) return code(list);
  return code(pki::for_each_entry(*list, [](const pki::CrlEntry&) {}));
}
std::string crl_with(std::initializer_list<Octets> extensions) {
  return crl([&](CrlParts& parts) { parts.extensions = CrlParts::extensions_of(extensions); });
}
std::string entry_with(std::initializer_list<Octets> extensions) {
  return crl([&](CrlParts& parts) {
    parts = parts.with_entries({crl_entry(hex("01"), utc_time("260115093000Z"), extensions)});
  });
}
std::string entry_at(const Octets& date) {
  return crl([&](CrlParts& parts) { parts = parts.with_entries({crl_entry(hex("01"), date)}); });
}
std::string check_crl(std::string_view ca_file, pki::Time now) {
  const Octets list_der = data_file("crl_p256_sha256.der");
  const Octets ca_der = data_pem(ca_file);
  const auto ca = pki::parse_certificate(ca_der);
  return code(pki::check_crl(*pki::parse_crl(list_der), *ca, now, std::chrono::seconds{0}));
}
std::string responder(std::string_view file) {
  const Octets responder_der = data_pem(file);
  const Octets ca_der = data_pem("ca_p256.pem");
  return code(pki::check_responder(*pki::parse_certificate(responder_der),
                                   *pki::parse_certificate(ca_der), at(2026, 2, 3),
                                   pki::TrustedResponder::no));
}
std::string request(const Octets& list, const Octets& extensions = {}) {
  const Octets octets = sequence({sequence({list, extensions})});
  pki::OcspRequest out;
  return code(pki::parse_request(octets, out));
}
Octets single(std::size_t hash_size = 20) {
  return sequence(
      {sequence({algorithm_with_null("1.3.14.3.2.26"), octet_string(Octets(hash_size, 1)),
                 octet_string(Octets(hash_size, 2)), integer(1)})});
}
std::string index(const std::function<void(Octets&)>& spoil) {
  Octets file = build_index({{hex("01"), at(2026, 1, 1)}, {hex("02"), at(2026, 1, 1)}}).file;
  spoil(file);
  return code(pki::Index::open(file));
}
// Of a file of one list and one group.
constexpr std::size_t kTablesEnd = 192 + 160 + 80;
constexpr std::size_t kFenceAt = 448;

std::string base64(std::string_view text) {
  Octets out;
  return code(pki::decode_base64(text, out));
}

std::string json(std::string_view text) {
  return code(pki::read_json_object(text));
}
constexpr auto kHeader = R"({"alg":"ES256","typ":"consent+jwt","kid":"k"})";
constexpr auto kClaims =
    R"({"iss":"i","aud":"a","sub":"s","client_id":"c","jti":"t","iat":5,"nbf":5,"exp":9,)"
    R"("consent_id":"n","consent_version":1,"scope":"s",)"
    R"("cnf":{"x5t#S256":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}})";
// Asked by institution c with the certificate of thumbprint zero, at second 5.
std::string token(std::string_view text,
                  const std::function<void(pki::ConsentTokenExpectation&)>& spoil = {}) {
  const pki::PublicKey key = pki::Signer::from_pem(data_text("ca_p256.key"))->public_key();
  pki::ConsentTokenExpectation expected{"i", "a", "c", {}, pki::Time{std::chrono::seconds{5}}};
  if (spoil) spoil(expected);
  const auto find = [&](std::string_view id) { return id == "k" ? &key : nullptr; };
  return code(pki::verify_consent_token(text, find, expected));
}
std::string signed_token(std::string_view header, std::string_view claims,
                         const std::function<void(pki::ConsentTokenExpectation&)>& spoil = {}) {
  return token(jws(load_key("ca_p256.key").get(), header, claims), spoil);
}
std::string items(std::initializer_list<std::pair<int, std::string>> items) {
  Octets names;
  for (const auto& [number, characters] : items) {
    const Octets type = oid("1.2.392.200149.8.5.5." + std::to_string(number));
    names = concat({names, tlv(0xA0, {type, tlv(0xA0, {tlv(0x0C, text(characters))})})});
  }
  return code(pki::read_four_information(tlv(0x30, names)));
}
std::string person(std::string_view file) {
  const Octets octets = data_file(file);
  return code(pki::check_signing_certificate(*pki::parse_certificate(octets), {}));
}
std::string cms(std::string_view file, std::string_view document = "cms_document.json") {
  return code(pki::verify_detached_cms(data_file(file), data_file(document)));
}

struct Row {
  Errc code;
  std::function<std::string()> yield;
};

const std::vector<Row> kRows = {
    // DER
    {Errc::truncated, [] { return der("30 01"); }},
    {Errc::bad_tag, [] { return crl([](CrlParts& p) { p.issuer = null(); }); }},
    {Errc::high_tag_number, [] { return der("1F 81 01 00"); }},
    {Errc::indefinite_length, [] { return der("30 80 00 00"); }},
    {Errc::non_minimal_length, [] { return der("04 81 01 00"); }},
    {Errc::length_too_large, [] { return der("04 89 01 00 00 00 00 00 00 00 00"); }},
    {Errc::trailing_data, [] { return crl([](CrlParts& p) { p.signature.push_back(0); }); }},
    {Errc::bad_boolean, [] { return simple("01 01 01", pki::der::boolean); }},
    {Errc::default_encoded, [] { return request(tlv(0xA0, {integer(0)})); }},
    {Errc::bad_integer, [] { return simple("02 02 00 01", pki::der::integer); }},
    {Errc::integer_out_of_range,
     [] { return crl_with({extension("2.5.29.20", hex("02 01 FF"))}); }},
    {Errc::bad_bit_string, [] { return simple("03 01 08", pki::der::bit_string); }},
    {Errc::bad_oid, [] { return simple("06 00", pki::der::oid); }},
    {Errc::bad_null, [] { return simple("05 01 00", pki::der::null); }},
    {Errc::bad_time, [] { return entry_at(utc_time("261301000000Z")); }},
    {Errc::wrong_time_type, [] { return entry_at(generalized_time("20260101000000Z")); }},
    {Errc::empty_sequence, [] { return crl([](CrlParts& p) { p.revoked = sequence({}); }); }},
    // algorithms and keys
    {Errc::algorithm_mismatch,
     [] { return crl([](CrlParts& p) { p.outer_algorithm = algorithm("1.3.101.112"); }); }},
    {Errc::unsupported_algorithm,
     [] { return crl([](CrlParts& p) { p.inner_algorithm = algorithm("1.2.3"); }); }},
    {Errc::weak_algorithm, [] { return code(pki::parse_crl(data_file("crl_rsa_sha1.der"))); }},
    {Errc::bad_algorithm_parameters,
     [] {
       return crl([](CrlParts& p) { p.inner_algorithm = algorithm_with_null(kEcdsaSha256); });
     }},
    {Errc::unsupported_key, [] { return code(pki::PublicKey::parse(hex("3000"))); }},
    {Errc::bad_signature, [] { return responder("responder_other_key.pem"); }},
    // certificates and extensions
    {Errc::unsupported_version, [] { return crl([](CrlParts& p) { p.version = {}; }); }},
    {Errc::duplicate_extension,
     [] {
       return entry_with({reason_code(1), reason_code(1)});
     }},
    {Errc::unknown_critical_extension,
     [] { return entry_with({critical_extension("1.2.3", null())}); }},
    {Errc::criticality, [] { return crl_with({critical_extension("2.5.29.20", integer(5))}); }},
    {Errc::serial_too_long,
     [] {
       return crl([](CrlParts& p) {
         p = p.with_entries({crl_entry(Octets(21, 1), utc_time("260115093000Z"))});
       });
     }},
    {Errc::time_order, [] { return crl([](CrlParts& p) { p.next_update = p.this_update; }); }},
    // CRLs
    {Errc::missing_next_update, [] { return crl([](CrlParts& p) { p.next_update = {}; }); }},
    {Errc::missing_crl_number, [] { return crl([](CrlParts& p) { p.extensions = {}; }); }},
    {Errc::crl_number_too_long,
     [] { return crl_with({extension("2.5.29.20", integer_of(Octets(21, 1)))}); }},
    {Errc::delta_order,
     [] {
       return crl_with(
           {extension("2.5.29.20", integer(5)), critical_extension("2.5.29.27", integer(5))});
     }},
    {Errc::unsupported_scope,
     [] {
       const Octets attributes = sequence({tlv(0x85, hex("FF"))});
       return crl_with({critical_extension("2.5.29.28", attributes)});
     }},
    {Errc::indirect_crl, [] { return code(pki::parse_crl(data_file("crl_indirect.der"))); }},
    {Errc::bad_reason, [] { return entry_with({reason_code(7)}); }},
    {Errc::time_out_of_range, [] { return entry_at(generalized_time("21000101000000Z")); }},
    {Errc::pem_not_der, [] { return code(pki::parse_crl(data_file("crl_pem.pem"))); }},
    // what something may be used for
    {Errc::issuer_mismatch, [] { return responder("responder_other_ca.pem"); }},
    {Errc::authority_key_mismatch, [] { return check_crl("ca_p256_rekeyed.pem", at(2026, 2, 3)); }},
    {Errc::key_usage, [] { return responder("responder_no_purpose.pem"); }},
    {Errc::expired, [] { return check_crl("ca_p256.pem", at(2026, 2, 8)); }},
    {Errc::not_yet_valid, [] { return check_crl("ca_p256.pem", at(2026, 1, 31)); }},
    // OCSP
    {Errc::empty_request, [] { return request(sequence({})); }},
    {Errc::too_many_requests,
     [] { return request(tlv(0x30, repeat(single(), pki::kCertIdsMax + 1))); }},
    {Errc::bad_hash_length, [] { return request(sequence({single(19)})); }},
    {Errc::bad_nonce_length,
     [] {
       const Octets nonce = extension("1.3.6.1.5.5.7.48.1.2", octet_string({}));
       return request(sequence({single()}), tlv(0xA2, {sequence({nonce})}));
     }},
    {Errc::bad_base64, [] { return base64("A"); }},
    // the index file
    {Errc::index_bad_magic, [] { return index([](Octets& f) { f[0] ^= 1; }); }},
    {Errc::index_version, [] { return index([](Octets& f) { f[8] ^= 1; }); }},
    {Errc::index_size, [] { return index([](Octets& f) { f.pop_back(); }); }},
    {Errc::index_header_checksum, [] { return index([](Octets& f) { f[40] ^= 1; }); }},
    {Errc::index_section_checksum, [] { return index([](Octets& f) { f[kFenceAt] ^= 1; }); }},
    {Errc::index_layout, [] { return index([](Octets& f) { f[12] = 0; }); }},  // no list
    {Errc::index_order,
     [] {
       return index([](Octets& f) {
         namespace format = pki::index_format;
         f[kFenceAt] = 1;  // the fence begins after the first entry
         const std::uint64_t section = XXH3_64bits(f.data() + kFenceAt, 8);
         std::memcpy(f.data() + kTablesEnd - 48, &section, 8);
         const std::uint64_t head = format::head_checksum(pki::Bytes(f).first(kTablesEnd));
         std::memcpy(f.data() + offsetof(format::Header, checksum), &head, 8);
       });
     }},
    {Errc::index_base_mismatch,
     [] {
       const BuiltIndex alone = build_index({});
       return code(pki::Generation::join(alone.open(), alone.open()));
     }},
    // text and JSON
    {Errc::bad_text, [] { return json("{\"a\":\"\xFF\"}"); }},
    {Errc::bad_json, [] { return json("[]"); }},
    {Errc::json_number, [] { return json("{\"a\":1.0}"); }},
    {Errc::duplicate_member, [] { return json("{\"a\":1,\"a\":1}"); }},
    // consent tokens
    {Errc::token_too_long, [] { return token(std::string(4097, 'A')); }},
    {Errc::token_parts, [] { return token("e30.e30"); }},
    {Errc::token_header, [] { return signed_token("{}", kClaims); }},
    {Errc::token_algorithm,
     [] { return signed_token(R"({"alg":"none","typ":"consent+jwt","kid":"k"})", kClaims); }},
    {Errc::token_unknown_key,
     [] { return signed_token(R"({"alg":"ES256","typ":"consent+jwt","kid":"l"})", kClaims); }},
    {Errc::signature_form, [] { return token(base64url(kHeader) + ".e30.AAAA"); }},
    {Errc::token_type,
     [] { return signed_token(R"({"alg":"ES256","typ":"at+jwt","kid":"k"})", kClaims); }},
    {Errc::token_claims, [] { return signed_token(kHeader, "{}"); }},
    {Errc::token_issuer,
     [] { return signed_token(kHeader, kClaims, [](auto& e) { e.issuer = "j"; }); }},
    {Errc::token_audience,
     [] { return signed_token(kHeader, kClaims, [](auto& e) { e.audience = "b"; }); }},
    {Errc::token_client,
     [] { return signed_token(kHeader, kClaims, [](auto& e) { e.client_id = "d"; }); }},
    {Errc::token_certificate,
     [] {
       return signed_token(kHeader, kClaims, [](auto& e) { e.certificate_thumbprint[31] = 1; });
     }},
    // certificates of persons
    {Errc::certificate_kind, [] { return person("person_no_sex.der"); }},
    {Errc::certificate_policy, [] { return person("person_other_policy.der"); }},
    {Errc::duplicate_item,
     [] {
       return items({{3, "1"}, {3, "2"}});
     }},
    {Errc::bad_item,
     [] {
       return items({{3, "4"}});
     }},
    {Errc::item_too_long,
     [] {
       return items({{1, std::string(201, 'a')}});
     }},
    // signed documents
    {Errc::too_large,
     [] { return code(pki::verify_detached_cms(Octets(pki::kCmsBytesMax + 1), {})); }},
    {Errc::cms_syntax, [] { return cms("cms_digested.der"); }},
    {Errc::cms_not_detached, [] { return cms("cms_attached.der"); }},
    {Errc::cms_signers, [] { return cms("cms_two_signers.der"); }},
    {Errc::cms_certificate, [] { return cms("cms_no_certificate.der"); }},
    {Errc::cms_attributes, [] { return cms("cms_no_attributes.der"); }},
    {Errc::document_mismatch, [] { return cms("cms_p256.der", "ca_p256.pem"); }},
};

// The enumerators as error.hpp has them, in order.
std::vector<std::string> names_in_header() {
  const std::string source = source_text("libpki/error.hpp");
  const std::size_t begin = source.find("enum class Errc");
  const std::string body = source.substr(begin, source.find("};", begin) - begin);
  const std::regex enumerator("\n  ([a-z0-9_]+),");
  std::vector<std::string> names;
  for (std::sregex_iterator at(body.begin(), body.end(), enumerator), end; at != end; ++at) {
    names.push_back((*at)[1]);
  }
  return names;
}

}  // namespace

TEST_CASE("errors: every code is yielded by the input that is meant to", "[errors]") {
  for (const Row& row : kRows) {
    CAPTURE(pki::name(row.code));
    CHECK(row.yield() == pki::name(row.code));
  }
}

TEST_CASE("errors: no code is forgotten", "[errors]") {
  std::set<Errc> covered;
  for (const Row& row : kRows) CHECK(covered.insert(row.code).second);
  for (const auto& [errc, where] : kYieldedElsewhere) CHECK(covered.insert(errc).second);
  const std::vector<std::string> names = names_in_header();
  CHECK(names.size() == covered.size());
  for (std::size_t i = 0; i < names.size(); ++i) {
    const Errc errc = static_cast<Errc>(i);
    CAPTURE(names[i]);
    CHECK(pki::name(errc) == names[i]);
    CHECK(covered.contains(errc));
    CHECK_FALSE(pki::explain(errc).empty());
  }
}

TEST_CASE("errors: people read field, place, code and sentence", "[errors]") {
  CHECK(pki::to_string({Errc::unsupported_version, 12, "version"}) ==
        "version at byte 12: unsupported_version: this version is not supported");
  CHECK(pki::to_string({Errc::truncated, 3}) ==
        "byte 3: truncated: the data end before the element does");
  CHECK(pki::Error{Errc::truncated, 3, "a"} == pki::Error{Errc::truncated, 3, "a"});
  CHECK_FALSE(pki::Error{Errc::truncated, 3, "a"} == pki::Error{Errc::truncated, 3, "b"});
}
