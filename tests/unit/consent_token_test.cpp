#include "libpki/consent_token.hpp"

#include <catch2/catch.hpp>

#include "tests/support/fixtures.hpp"
#include "tests/support/jose.hpp"
#include "tests/support/result.hpp"

using namespace test;
using namespace std::chrono_literals;
using pki::PublicKey;
using pki::Signer;

namespace {

constexpr auto kHeader = R"({"alg":"ES256","typ":"consent+jwt","kid":"2026-11-a"})";
// The example of the contract; the thumbprint is SHA-256 of "certificate".
constexpr auto kClaims =
    R"({"iss":"https://api.example.jp","aud":"https://api.example.jp/v1/attributes",)"
    R"("sub":"sub_x","client_id":"inst_x","jti":"tok_x","iat":1795230767,"nbf":1795230767,)"
    R"("exp":1822348800,"consent_id":"cns_x","consent_version":1,)"
    R"("scope":"attr:name attr:address attr:birthdate",)"
    R"("cnf":{"x5t#S256":"A9Zt0Ig1wco_EozOrNHzGslBYwlrIPRFroQoW8CDLXI"}})";
const pki::Time kIssued{1795230767s};

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

// A bank's question at a moment, and a platform with the key 2026-11-a.
struct Asked {
  Key key = load_key("ca_p256.key");
  PublicKey ours = Signer::from_pem(data_text("ca_p256.key"))->public_key();
  PublicKey p384 = Signer::from_pem(data_text("ca_p384.key"))->public_key();
  mutable int lookups = 0;
  pki::ConsentTokenExpectation expectation{"https://api.example.jp",
                                           "https://api.example.jp/v1/attributes", "inst_x",
                                           pki::thumbprint_of(text("certificate")), kIssued};

  [[nodiscard]] pki::Result<pki::ConsentTokenClaims> verify(std::string_view token) const {
    const pki::FindKey find = [this](std::string_view id) -> const PublicKey* {
      ++lookups;
      return id == "2026-11-a" ? &ours : id == "p384" ? &p384 : nullptr;
    };
    return pki::verify_consent_token(token, find, expectation);
  }
  [[nodiscard]] std::string outcome(std::string_view header, std::string_view payload) const {
    return code(verify(jws(key.get(), header, payload)));
  }
};

}  // namespace

TEST_CASE("consent_token: the contract's example, signed by OpenSSL, is read as it stands",
          "[token]") {
  const Asked asked;
  const auto claims = asked.verify(jws(asked.key.get(), kHeader, kClaims));
  REQUIRE(refusal(claims) == "accepted");
  CHECK(claims->subject == "sub_x");
  CHECK(claims->token_id == "tok_x");
  CHECK(claims->issued_at == kIssued);
  CHECK(claims->expires_at == at(2027, 10, 1));
  CHECK(claims->consent_id == "cns_x");
  CHECK(claims->consent_version == 1);
  CHECK(claims->scope == "attr:name attr:address attr:birthdate");
}

TEST_CASE("consent_token: what is encoded is the contract's example, and verifies", "[token]") {
  const Asked asked;
  const auto claims = asked.verify(jws(asked.key.get(), kHeader, kClaims));
  auto signer = Signer::from_pem(data_text("ca_p256.key"));
  for (int i = 0; i < 50; ++i) {  // r and s come in every length
    const auto token = pki::encode_consent_token(*claims, "2026-11-a", *signer);
    REQUIRE(token);
    const std::string expected = base64url(kHeader) + "." + base64url(kClaims);
    CHECK(token->substr(0, expected.size()) == expected);
    CHECK(token->size() == expected.size() + 1 + 86);
    CHECK(*asked.verify(*token) == *claims);
  }
}

TEST_CASE("consent_token: claims that nobody could read back are not signed", "[token]") {
  const Asked asked;
  const auto good = *asked.verify(jws(asked.key.get(), kHeader, kClaims));
  auto signer = Signer::from_pem(data_text("ca_p256.key"));
  const auto encode = [&](auto spoil) {
    pki::ConsentTokenClaims claims = good;
    spoil(claims);
    return code(pki::encode_consent_token(claims, "k", *signer));
  };
  CHECK(encode([](auto&) {}) == "accepted");
  CHECK(encode([](auto& c) { c.subject.clear(); }) == "token_claims");
  CHECK(encode([](auto& c) { c.subject = std::string(1, '\0'); }) == "bad_text");
  CHECK(encode([](auto& c) { c.scope = "\xFF"; }) == "bad_text");
  CHECK(encode([](auto& c) { c.consent_version = 0; }) == "token_claims");
  CHECK(encode([](auto& c) { c.expires_at = pki::Time{-1s}; }) == "token_claims");
  CHECK(encode([](auto& c) { c.scope = std::string(4096, 'x'); }) == "token_too_long");
  CHECK(code(pki::encode_consent_token(good, "", *signer)) == "token_header");
  auto p384 = Signer::from_pem(data_text("ca_p384.key"));
  CHECK(code(pki::encode_consent_token(good, "k", *p384)) == "token_algorithm");
}

TEST_CASE("consent_token: another algorithm is refused before a key is looked up (check 1)",
          "[token]") {
  const Asked asked;
  for (const std::string alg : {"none", "None", "HS256", "ES384", "es256", "PS256", "RS256"}) {
    CAPTURE(alg);
    const std::string header = replaced(kHeader, "ES256", alg);
    CHECK(asked.outcome(header, kClaims) == "token_algorithm");
    // As the attacks have it: no signature at all.
    CHECK(code(asked.verify(base64url(header) + "." + base64url(kClaims) + ".")) ==
          "token_algorithm");
  }
  CHECK(asked.lookups == 0);
  // The algorithm is that of our key, not the one the header has.
  CHECK(asked.outcome(replaced(kHeader, "2026-11-a", "p384"), kClaims) == "token_algorithm");
  CHECK(asked.lookups == 1);
}

TEST_CASE("consent_token: members twice are refused at every depth (check 2)", "[token]") {
  const Asked asked;
  CHECK(asked.outcome(R"({"alg":"ES256","alg":"none","typ":"consent+jwt","kid":"2026-11-a"})",
                      kClaims) == "duplicate_member");
  CHECK(asked.outcome(kHeader, replaced(kClaims, R"("jti":)", R"("sub":"sub_y","jti":)")) ==
        "duplicate_member");
  CHECK(asked.outcome(kHeader, replaced(kClaims, R"("cnf":{)", R"("cnf":{"x5t#S256":"",)")) ==
        "duplicate_member");
}

TEST_CASE("consent_token: a header with more than three members is refused (check 3)", "[token]") {
  const Asked asked;
  for (const std::string extra :
       {R"("jwk":{"kty":"EC"})", R"("jku":"https://evil.example/")", R"("x5u":"https://x/")",
        R"("x5c":"MII")", R"("b64":"false")", R"("cty":"JWT")", R"("x":1)"}) {
    CAPTURE(extra);
    CHECK(asked.outcome(replaced(kHeader, "{", "{" + extra + ","), kClaims) == "token_header");
  }
  CHECK(asked.outcome(replaced(kHeader, "{", R"({"crit":["exp"],)"), kClaims) == "bad_json");
  CHECK(asked.outcome(R"({"alg":"ES256","kid":"2026-11-a"})", kClaims) == "token_header");
  CHECK(asked.outcome(R"({"alg":"ES256","kid":"2026-11-a","cty":"x"})", kClaims) == "token_header");
  CHECK(asked.outcome(replaced(kHeader, R"("2026-11-a")", "1"), kClaims) == "token_header");
  CHECK(asked.outcome(replaced(kHeader, "2026-11-a", ""), kClaims) == "token_header");
  CHECK(asked.lookups == 0);
}

TEST_CASE("consent_token: a signature has one form (check 4)", "[token]") {
  const Asked asked;
  const std::string body = base64url(kHeader) + "." + base64url(kClaims);
  const Octets good = es256(asked.key.get(), body);
  const auto with = [&](const Octets& signature) {
    return code(asked.verify(body + "." + base64url(signature)));
  };
  CHECK(with(good) == "accepted");
  CHECK(with(sign(asked.key.get(), text(body))) == "signature_form");  // DER
  CHECK(with({}) == "signature_form");
  CHECK(with(concat({good, {0}})) == "signature_form");
  CHECK(with(Octets(good.begin(), good.end() - 1)) == "signature_form");
  const Octets order = hex("FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551");
  const Octets r(good.begin(), good.begin() + 32);
  const Octets s(good.begin() + 32, good.end());
  const Octets zero(32, 0);
  for (const Octets& wrong : {zero, order, Octets(32, 0xFF)}) {
    CHECK(with(concat({wrong, s})) == "signature_form");
    CHECK(with(concat({r, wrong})) == "signature_form");
  }
  Octets last = order;
  last.back() -= 1;
  CHECK(with(concat({r, last})) == "bad_signature");  // in range, and wrong
  for (std::size_t bit = 0; bit < 512; bit += 37) {
    Octets flipped = good;
    flipped[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
    CHECK(with(flipped) == "bad_signature");
  }
  CHECK(code(asked.verify(jws(load_key("ca_p256_rekeyed.key").get(), kHeader, kClaims))) ==
        "bad_signature");
}

TEST_CASE("consent_token: a token has one spelling (check 4)", "[token]") {
  const Asked asked;
  const std::string token = jws(asked.key.get(), kHeader, kClaims);
  const auto outcome = [&](const std::string& text) { return code(asked.verify(text)); };
  CHECK(outcome(token) == "accepted");
  CHECK(outcome(token + "==") == "bad_base64");
  CHECK(outcome(token + "\n") == "bad_base64");
  CHECK(outcome(" " + token) == "bad_base64");
  CHECK(outcome(token + ".") == "token_parts");
  CHECK(outcome(token.substr(0, token.rfind('.'))) == "token_parts");
  CHECK(outcome("") == "token_parts");
  CHECK(outcome(token.substr(0, 20) + "+" + token.substr(21)) == "bad_base64");
  // 86 characters leave four bits over, which must be zero.
  std::string trailing = token;
  trailing.back() = trailing.back() == 'A' ? 'B' : static_cast<char>(trailing.back() + 1);
  CHECK(outcome(trailing) == "bad_base64");
  CHECK(outcome(std::string(4097, 'x')) == "token_too_long");
  CHECK(outcome(std::string(4096, 'x')) == "token_parts");
}

TEST_CASE("consent_token: a good signature over another type is not enough (check 5)", "[token]") {
  const Asked asked;
  for (const std::string typ : {"JWT", "at+jwt", "receipt+jwt", "consent+JWT", "checkpoint"}) {
    CAPTURE(typ);
    CHECK(asked.outcome(replaced(kHeader, "consent+jwt", typ), kClaims) == "token_type");
  }
}

TEST_CASE("consent_token: the claims are exactly those of the contract", "[token]") {
  const Asked asked;
  const auto [from, to] = GENERATE(table<std::string, std::string>({
      {R"("sub":"sub_x",)", ""},
      {R"("sub":"sub_x")", R"("sub":1)"},
      {R"("sub":"sub_x")", R"("sub":"")"},
      {R"({"iss")", R"({"email":"x","iss")"},
      {R"("exp":1822348800)", R"("exp":"1822348800")"},
      {R"("exp":1822348800)", R"("exp":-1)"},
      {R"("exp":1822348800)", R"("exp":253402300800)"},
      {R"("consent_version":1)", R"("consent_version":0)"},
      {R"("consent_version":1)", R"("consent_version":2147483648)"},
      {R"(DLXI"})", R"(DLXI","jkt":"x"})"},
      {R"(DLXI"})", R"(DLX"})"},
      {R"(DLXI"})", R"(DLXI="})"},
  }));
  CAPTURE(from, to);
  CHECK(asked.outcome(kHeader, replaced(kClaims, from, to)) == "token_claims");
}

// nlohmann-json reads the first as the double 1e20, and takes the byte order mark and U+0000.
TEST_CASE("consent_token: numbers and text that other readers take are refused (check 24)",
          "[token]") {
  const Asked asked;
  const auto exp = [&](const std::string& number) {
    return asked.outcome(kHeader, replaced(kClaims, "1822348800", number));
  };
  CHECK(exp("99999999999999999999") == "json_number");
  CHECK(exp("1822348800.0") == "json_number");
  CHECK(exp("1.8223488e9") == "json_number");
  CHECK(asked.outcome(kHeader, "\xEF\xBB\xBF" + std::string(kClaims)) == "bad_json");
  CHECK(asked.outcome(kHeader, replaced(kClaims, "sub_x", "\\u0000")) == "bad_text");
  CHECK(asked.outcome(kHeader, replaced(kClaims, "sub_x", "\\ud800")) == "bad_text");
  std::string deep;
  while (deep.size() < 2800) deep += "{\"a\":";
  CHECK(asked.outcome(kHeader, deep) == "bad_json");
  CHECK(asked.outcome(deep, kClaims) == (deep.size() > 2000 ? "token_too_long" : "bad_json"));
}

TEST_CASE("consent_token: issuer, audience, institution and certificate (check 7)", "[token]") {
  Asked asked;
  CHECK(asked.outcome(kHeader, replaced(kClaims, "https://api", "https://apl")) == "token_issuer");
  CHECK(asked.outcome(kHeader, replaced(kClaims, "v1/attributes", "v1/changes")) ==
        "token_audience");
  asked.expectation.client_id = "inst_y";
  CHECK(asked.outcome(kHeader, kClaims) == "token_client");
  asked.expectation.client_id = "inst_x";
  asked.expectation.certificate_thumbprint = pki::thumbprint_of(text("renewed"));
  CHECK(asked.outcome(kHeader, kClaims) == "token_certificate");
}

TEST_CASE("consent_token: ten seconds ahead are forgiven, the end is not (check 27)", "[token]") {
  Asked asked;
  const auto at_time = [&](pki::Time now) {
    asked.expectation.now = now;
    return refusal(asked.verify(jws(asked.key.get(), kHeader, kClaims)));
  };
  CHECK(at_time(kIssued - 10s) == "accepted");
  CHECK(at_time(kIssued - 11s) == "not_yet_valid@0 iat");
  CHECK(at_time(kIssued - 61s) == "not_yet_valid@0 iat");
  CHECK(at_time(pki::Time{1822348799s}) == "accepted");
  CHECK(at_time(pki::Time{1822348800s}) == "expired@0 exp");
  asked.expectation.now = kIssued;
  const std::string later = replaced(kClaims, R"("nbf":1795230767)", R"("nbf":1795230778)");
  CHECK(refusal(asked.verify(jws(asked.key.get(), kHeader, later))) == "not_yet_valid@0 nbf");
}

TEST_CASE("consent_token: an unknown or retired key verifies nothing (check 28)", "[token]") {
  const Asked asked;
  CHECK(asked.outcome(replaced(kHeader, "2026-11-a", "2026-08-a"), kClaims) == "token_unknown_key");
  CHECK(asked.lookups == 1);
}

// The order is part of the contract: what is refused first says the least to who guesses.
TEST_CASE("consent_token: the first fault in the contract's order is the one that is told",
          "[token]") {
  Asked asked;
  asked.expectation = {"other", "other", "other", {}, pki::Time{}};
  const Key stranger = load_key("ca_p256_rekeyed.key");
  std::string claims = kClaims;
  std::string header = replaced(kHeader, "consent+jwt", "at+jwt");
  CHECK(code(asked.verify(jws(stranger.get(), header, claims))) == "bad_signature");
  const auto outcome = [&] { return asked.outcome(header, claims); };
  CHECK(outcome() == "token_issuer");
  asked.expectation.issuer = "https://api.example.jp";
  CHECK(outcome() == "token_audience");
  asked.expectation.audience = "https://api.example.jp/v1/attributes";
  CHECK(outcome() == "token_type");
  header = kHeader;
  CHECK(outcome() == "not_yet_valid");
  asked.expectation.now = at(2030, 1, 1);
  CHECK(outcome() == "expired");
  asked.expectation.now = kIssued;
  CHECK(outcome() == "token_client");
  asked.expectation.client_id = "inst_x";
  CHECK(outcome() == "token_certificate");
}

TEST_CASE("jws: a JWK has the coordinates that OpenSSL has", "[token]") {
  const Key key = load_key("ca_p256.key");
  const PublicKey ours = Signer::from_pem(data_text("ca_p256.key"))->public_key();
  unsigned char point[65];
  std::size_t size = 0;
  REQUIRE(EVP_PKEY_get_octet_string_param(key.get(), "pub", point, sizeof point, &size) == 1);
  REQUIRE(size == 65);
  const std::string x = base64url(Octets(point + 1, point + 33));
  const std::string y = base64url(Octets(point + 33, point + 65));
  CHECK(*pki::public_jwk(ours, "k\"1") == R"({"kty":"EC","crv":"P-256","x":")" + x + R"(","y":")" +
                                              y + R"(","use":"sig","alg":"ES256","kid":"k\"1"})");
  const PublicKey p384 = Signer::from_pem(data_text("ca_p384.key"))->public_key();
  CHECK(code(pki::public_jwk(p384, "k")) == "token_algorithm");
}

TEST_CASE("consent_token: looking into a token needs no key", "[token]") {
  const auto token =
      pki::read_consent_token_unverified(base64url(kHeader) + "." + base64url(kClaims) + ".AAAA");
  REQUIRE(refusal(token) == "accepted");
  CHECK(token->header.key_id == "2026-11-a");
  CHECK(token->claims.client_id == "inst_x");
}
