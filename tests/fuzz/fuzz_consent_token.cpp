// fuzz_consent_token.cpp: consent tokens, as text, and as a header and payload signed in here so
// that hostile JSON gets past the signature.
//
// An input is a whole token, or "header\npayload". What is accepted means the same when it is
// written again; a changed signature is never accepted. The target checks itself first, so that it
// cannot run for hours and accept nothing.
#include "fuzz_support.hpp"
#include "libpki/consent_token.hpp"
#include "libpki/strict_json.hpp"

namespace {

constexpr std::string_view kKeyId = "k";

// One key for the whole run; no input depends on it.
struct Platform {
  pki::Signer signer = pki::Signer::generate_p256();
  pki::PublicKey key = signer.public_key();
};
Platform& platform() {
  static Platform one;
  return one;
}

const pki::PublicKey* find(std::string_view key_id) {
  return key_id == kKeyId ? &platform().key : nullptr;
}

pki::Result<pki::ConsentTokenClaims> verify(std::string_view token,
                                            const pki::ConsentTokenClaims& expected) {
  return pki::verify_consent_token(token, find,
                                   {expected.issuer, expected.audience, expected.client_id,
                                    expected.certificate_thumbprint, expected.not_before});
}

// Claims that were read can be written, and say the same when they are read again.
void check_claims(const pki::ConsentTokenClaims& claims) {
  const auto token = pki::encode_consent_token(claims, kKeyId, platform().signer);
  if (!token) {
    FUZZ_CHECK(token.error().code == pki::Errc::token_too_long);  // escapes are longer than raw
    return;
  }
  const auto again = pki::read_consent_token_unverified(*token);
  FUZZ_CHECK(again.has_value() && again->claims == claims);
  const bool is_in_time =
      claims.issued_at <= claims.not_before && claims.not_before < claims.expires_at;
  const auto verified = verify(*token, claims);
  FUZZ_CHECK(verified.has_value() ? *verified == claims : !is_in_time);

  std::string changed = *token;
  const std::size_t at = changed.rfind('.') + 1;
  changed[at] = changed[at] == 'A' ? 'B' : 'A';
  FUZZ_CHECK(!verify(changed, claims).has_value());
}

void check_token(std::string_view token) {
  const auto read = pki::read_consent_token_unverified(token);
  fuzz::check_refusal(read, token.size());
  if (read) check_claims(read->claims);
  const auto verified = verify(token, read ? read->claims : pki::ConsentTokenClaims{});
  fuzz::check_refusal(verified, token.size());
  if (verified) FUZZ_CHECK(read.has_value() && *verified == read->claims);
}

// Signs header and payload as they are, whatever they are.
std::string sign_anything(std::string_view header, std::string_view payload) {
  std::string token =
      pki::to_base64url(pki::as_bytes(header)) + "." + pki::to_base64url(pki::as_bytes(payload));
  const auto der = platform().signer.sign(pki::as_bytes(token));
  FUZZ_CHECK(der.has_value());
  const unsigned char* at = der->data();
  const std::unique_ptr<ECDSA_SIG, fuzz::Deleter<ECDSA_SIG_free>> numbers(
      d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der->size())));
  std::array<std::uint8_t, 64> raw{};
  BN_bn2binpad(ECDSA_SIG_get0_r(numbers.get()), raw.data(), 32);
  BN_bn2binpad(ECDSA_SIG_get0_s(numbers.get()), raw.data() + 32, 32);
  return token + "." + pki::to_base64url(raw);
}

void check_json(std::string_view text) {
  const auto object = pki::read_json_object(text);
  fuzz::check_refusal(object, text.size());
  if (!object) return;
  // Strings that were read are written, and read as the same.
  for (const pki::JsonMember& member : *object) {
    std::string json = "{";
    pki::append_json_string(json, member.name);
    json += ":";
    pki::append_json_string(json, member.text);
    const auto again = pki::read_json_object(json + "}");
    FUZZ_CHECK(again.has_value() && again->front().name == member.name);
    FUZZ_CHECK(again->front().text == member.text);
  }
}

// The example of the contract must be accepted, or nothing above was tried.
bool accepts_the_example() {
  pki::ConsentTokenClaims claims;
  claims.issuer = claims.audience = claims.subject = claims.client_id = "x";
  claims.token_id = claims.consent_id = claims.scope = "é😀\"\\\n";
  claims.expires_at = pki::Time{std::chrono::seconds{1}};
  claims.consent_version = 1;
  const auto token = pki::encode_consent_token(claims, kKeyId, platform().signer);
  return token.has_value() && verify(*token, claims).has_value();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::Run run;
  static const bool is_ready = accepts_the_example();
  FUZZ_CHECK(is_ready);
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t line = input.find('\n');
  if (line == std::string_view::npos) {
    check_token(input);
    check_json(input);
    return 0;
  }
  const std::string_view header = input.substr(0, line);
  const std::string_view payload = input.substr(line + 1);
  check_json(payload);
  check_token(sign_anything(header, payload));
  return 0;
}
