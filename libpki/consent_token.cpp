#include "libpki/consent_token.hpp"

#include <algorithm>

#include "libpki/strict_json.hpp"

namespace pki {
namespace {

constexpr std::int64_t kTimeMax = 253402300799;  // the end of year 9999
constexpr std::int64_t kVersionMax = INT32_MAX;

// Takes the members of an object one by one; at the end none may be left.
class Members {
 public:
  explicit Members(JsonObject object) : object_(std::move(object)) {}

  Result<std::string> text(const char* name) {
    PKI_TRY_ASSIGN(JsonMember * member, take(name, JsonMember::Kind::text));
    if (member->text.empty()) return Error{Errc::token_claims, 0, name};
    return std::move(member->text);
  }
  Result<std::int64_t> integer(const char* name, std::int64_t min, std::int64_t max) {
    PKI_TRY_ASSIGN(const JsonMember* member, take(name, JsonMember::Kind::integer));
    if (member->integer < min || member->integer > max) return Error{Errc::token_claims, 0, name};
    return member->integer;
  }
  Result<Time> time(const char* name) {
    PKI_TRY_ASSIGN(const std::int64_t seconds, integer(name, 0, kTimeMax));
    return Time{std::chrono::seconds{seconds}};
  }
  Result<Members> object(const char* name) {
    PKI_TRY_ASSIGN(JsonMember * member, take(name, JsonMember::Kind::object));
    return Members(std::move(member->members));
  }
  // No name occurs twice, so as many as were taken are exactly those.
  Result<void> finish(const char* name) const {
    if (taken_ != object_.size()) return Error{Errc::token_claims, 0, name};
    return {};
  }

 private:
  Result<JsonMember*> take(const char* name, JsonMember::Kind kind) {
    const auto found = std::ranges::find(object_, name, &JsonMember::name);
    if (found == object_.end() || found->kind != kind) return Error{Errc::token_claims, 0, name};
    ++taken_;
    return &*found;
  }

  JsonObject object_;
  std::size_t taken_ = 0;
};

Result<CertificateThumbprint> read_thumbprint(Members confirmation) {
  CertificateThumbprint thumbprint{};
  PKI_TRY_ASSIGN(const std::string text, confirmation.text("x5t#S256"));
  PKI_TRY(confirmation.finish("cnf"));
  std::vector<std::uint8_t> octets;
  if (!decode_base64url(text, octets) || octets.size() != thumbprint.size()) {
    return Error{Errc::token_claims, 0, "x5t#S256"};
  }
  std::ranges::copy(octets, thumbprint.begin());
  return thumbprint;
}

Result<ConsentTokenClaims> read_claims(std::string_view payload) {
  PKI_TRY_ASSIGN(JsonObject object, read_json_object(payload));
  Members members(std::move(object));
  ConsentTokenClaims claims;
  PKI_TRY_ASSIGN(claims.issuer, members.text("iss"));
  PKI_TRY_ASSIGN(claims.audience, members.text("aud"));
  PKI_TRY_ASSIGN(claims.subject, members.text("sub"));
  PKI_TRY_ASSIGN(claims.client_id, members.text("client_id"));
  PKI_TRY_ASSIGN(claims.token_id, members.text("jti"));
  PKI_TRY_ASSIGN(claims.issued_at, members.time("iat"));
  PKI_TRY_ASSIGN(claims.not_before, members.time("nbf"));
  PKI_TRY_ASSIGN(claims.expires_at, members.time("exp"));
  PKI_TRY_ASSIGN(claims.consent_id, members.text("consent_id"));
  PKI_TRY_ASSIGN(const std::int64_t version, members.integer("consent_version", 1, kVersionMax));
  claims.consent_version = static_cast<std::uint32_t>(version);
  PKI_TRY_ASSIGN(claims.scope, members.text("scope"));
  PKI_TRY_ASSIGN(Members confirmation, members.object("cnf"));
  PKI_TRY_ASSIGN(claims.certificate_thumbprint, read_thumbprint(std::move(confirmation)));
  PKI_TRY(members.finish("claims"));
  return claims;
}

class ClaimWriter {
 public:
  void text(std::string_view name, std::string_view value) {
    begin(name);
    append_json_string(json_, value);
  }
  void integer(std::string_view name, std::int64_t value) {
    begin(name);
    json_.append(std::to_string(value));
  }
  void time(std::string_view name, Time value) { integer(name, value.time_since_epoch().count()); }
  void raw(std::string_view name, std::string_view value) {
    begin(name);
    json_.append(value);
  }
  [[nodiscard]] std::string finish() && {
    json_.push_back('}');
    return std::move(json_);
  }

 private:
  void begin(std::string_view name) {
    json_.push_back(json_.empty() ? '{' : ',');
    append_json_string(json_, name);
    json_.push_back(':');
  }

  std::string json_;
};

std::string write_claims(const ConsentTokenClaims& claims) {
  ClaimWriter confirmation;
  confirmation.text("x5t#S256", to_base64url(claims.certificate_thumbprint));
  ClaimWriter writer;
  writer.text("iss", claims.issuer);
  writer.text("aud", claims.audience);
  writer.text("sub", claims.subject);
  writer.text("client_id", claims.client_id);
  writer.text("jti", claims.token_id);
  writer.time("iat", claims.issued_at);
  writer.time("nbf", claims.not_before);
  writer.time("exp", claims.expires_at);
  writer.text("consent_id", claims.consent_id);
  writer.integer("consent_version", claims.consent_version);
  writer.text("scope", claims.scope);
  writer.raw("cnf", std::move(confirmation).finish());
  return std::move(writer).finish();
}

// Signed by us, but is it meant for this question, now, by this institution?
Result<void> check_claims(const ConsentTokenClaims& claims, const JwsHeader& header,
                          const ConsentTokenExpectation& expectation) {
  if (claims.issuer != expectation.issuer) return Error{Errc::token_issuer, 0, "iss"};
  if (claims.audience != expectation.audience) return Error{Errc::token_audience, 0, "aud"};
  if (header.type != kConsentTokenType) return Error{Errc::token_type, 0, "typ"};
  const Time latest = expectation.now + expectation.skew;
  if (claims.issued_at > latest) return Error{Errc::not_yet_valid, 0, "iat"};
  if (claims.not_before > latest) return Error{Errc::not_yet_valid, 0, "nbf"};
  if (claims.expires_at <= expectation.now) return Error{Errc::expired, 0, "exp"};
  if (claims.client_id != expectation.client_id) return Error{Errc::token_client, 0, "client_id"};
  if (!equal_in_constant_time(claims.certificate_thumbprint, expectation.certificate_thumbprint)) {
    return Error{Errc::token_certificate, 0, "cnf"};
  }
  return {};
}

}  // namespace

CertificateThumbprint thumbprint_of(Bytes certificate_der) {
  CertificateThumbprint thumbprint{};
  std::ranges::copy(digest(DigestAlgorithm::sha256, certificate_der).bytes(), thumbprint.begin());
  return thumbprint;
}

Result<std::string> encode_consent_token(const ConsentTokenClaims& claims, std::string_view key_id,
                                         Signer& signer) {
  const std::string payload = write_claims(claims);
  // A token that nobody could read back must never be given out; reading costs less than signing.
  PKI_TRY_ASSIGN(const ConsentTokenClaims again, read_claims(payload));
  if (again != claims) return Error{Errc::token_claims, 0, "claims"};
  PKI_TRY_ASSIGN(std::string token, sign_jws(kConsentTokenType, key_id, payload, signer));
  return token;
}

Result<ConsentTokenClaims> verify_consent_token(std::string_view text, const FindKey& find_key,
                                                const ConsentTokenExpectation& expectation) {
  PKI_TRY_ASSIGN(const CompactJws jws, split_jws(text));
  PKI_TRY_ASSIGN(const JwsHeader header, read_jws_header(jws.header));
  if (header.algorithm != "ES256") return Error{Errc::token_algorithm, 0, "alg"};
  const PublicKey* const key = find_key(header.key_id);
  if (key == nullptr) return Error{Errc::token_unknown_key, 0, "kid"};
  PKI_TRY(verify_es256(*key, jws.signed_part, jws.signature));
  PKI_TRY_ASSIGN(ConsentTokenClaims claims, read_claims(jws.payload));
  PKI_TRY(check_claims(claims, header, expectation));
  return claims;
}

Result<UnverifiedConsentToken> read_consent_token_unverified(std::string_view text) {
  UnverifiedConsentToken token;
  PKI_TRY_ASSIGN(const CompactJws jws, split_jws(text));
  PKI_TRY_ASSIGN(token.header, read_jws_header(jws.header));
  PKI_TRY_ASSIGN(token.claims, read_claims(jws.payload));
  return token;
}

}  // namespace pki
