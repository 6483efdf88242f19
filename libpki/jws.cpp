#include "libpki/jws.hpp"

#include <array>

#include "libpki/der.hpp"
#include "libpki/der_writer.hpp"
#include "libpki/strict_json.hpp"

namespace pki {
namespace {

constexpr std::size_t kNumberBytes = 32;
constexpr SignatureAlgorithm kEs256{SignatureScheme::ecdsa, DigestAlgorithm::sha256};

// n, the order of the group of P-256 (SEC 2, 2.4.2).
constexpr std::array<std::uint8_t, kNumberBytes> kOrder{
    0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
    0xBC, 0xE6, 0xFA, 0xAD, 0xA7, 0x17, 0x9E, 0x84, 0xF3, 0xB9, 0xCA, 0xC2, 0xFC, 0x63, 0x25, 0x51};

bool is_in_range(Bytes number) {
  const bool is_zero = std::ranges::all_of(number, [](std::uint8_t octet) { return octet == 0; });
  return !is_zero && std::ranges::lexicographical_compare(number, kOrder);
}

Result<std::string> decode_part(std::string_view text, std::string_view part) {
  std::vector<std::uint8_t> octets;
  const auto decoded = decode_base64url(part, octets);
  if (!decoded) {
    const auto before = static_cast<std::uint64_t>(part.data() - text.data());
    return Error{Errc::bad_base64, before + decoded.error().offset, "token"};
  }
  return std::string(octets.begin(), octets.end());
}

// Ecdsa-Sig-Value ::= SEQUENCE { r INTEGER, s INTEGER } (RFC 3279 2.2.3), as the library has it,
// into r and s of 32 octets each.
Result<std::vector<std::uint8_t>> to_raw(Bytes der) {
  std::vector<std::uint8_t> raw(2 * kNumberBytes);
  der::Reader input(der);
  PKI_TRY_ASSIGN(der::Reader numbers, input.enter(der::Tag::sequence, "Ecdsa-Sig-Value"));
  for (const std::size_t end : {kNumberBytes, 2 * kNumberBytes}) {
    PKI_TRY_ASSIGN(const der::Element element, numbers.read(der::Tag::integer, "Ecdsa-Sig-Value"));
    Bytes number = element.content;
    if (number.size() > kNumberBytes) number = number.last(kNumberBytes);  // the sign's zero
    std::ranges::copy(number, raw.begin() + static_cast<std::ptrdiff_t>(end - number.size()));
  }
  return raw;
}

void append_member(std::string& out, std::string_view name, std::string_view value) {
  out.push_back(out.empty() ? '{' : ',');
  append_json_string(out, name);
  out.push_back(':');
  append_json_string(out, value);
}

}  // namespace

Result<CompactJws> split_jws(std::string_view text) {
  if (text.size() > kJwsBytesMax) return Error{Errc::token_too_long, kJwsBytesMax, "token"};
  const std::size_t first = text.find('.');
  const std::size_t second = first == std::string_view::npos ? first : text.find('.', first + 1);
  if (second == std::string_view::npos) return Error{Errc::token_parts, text.size(), "token"};
  const std::size_t third = text.find('.', second + 1);
  if (third != std::string_view::npos) return Error{Errc::token_parts, third, "token"};

  CompactJws jws;
  jws.signed_part = text.substr(0, second);
  PKI_TRY_ASSIGN(jws.header, decode_part(text, text.substr(0, first)));
  PKI_TRY_ASSIGN(jws.payload, decode_part(text, text.substr(first + 1, second - first - 1)));
  PKI_TRY_ASSIGN(const std::string signature, decode_part(text, text.substr(second + 1)));
  jws.signature.assign(signature.begin(), signature.end());
  return jws;
}

Result<JwsHeader> read_jws_header(std::string_view json) {
  PKI_TRY_ASSIGN(JsonObject object, read_json_object(json));
  JwsHeader header;
  // Members are never double, so three known ones of three are exactly these.
  if (object.size() != 3) return Error{Errc::token_header, 0, "header"};
  for (JsonMember& member : object) {
    std::string* const place = member.name == "alg"   ? &header.algorithm
                               : member.name == "typ" ? &header.type
                               : member.name == "kid" ? &header.key_id
                                                      : nullptr;
    if (place == nullptr || member.kind != JsonMember::Kind::text || member.text.empty()) {
      return Error{Errc::token_header, 0, "header"};
    }
    *place = std::move(member.text);
  }
  return header;
}

Result<void> verify_es256(const PublicKey& key, std::string_view signed_part, Bytes signature) {
  if (key.kind() != KeyKind::ec_p256) return Error{Errc::token_algorithm, 0, "key"};
  if (signature.size() != 2 * kNumberBytes || !is_in_range(signature.first(kNumberBytes)) ||
      !is_in_range(signature.last(kNumberBytes))) {
    return Error{Errc::signature_form, 0, "signature"};
  }
  der::Writer der;
  der.sequence([&] {
    der.unsigned_integer(signature.first(kNumberBytes));
    der.unsigned_integer(signature.last(kNumberBytes));
  });
  PKI_TRY(verify_signature(kEs256, key, as_bytes(signed_part), der.bytes()));
  return {};
}

Result<std::string> sign_jws(std::string_view type, std::string_view key_id,
                             std::string_view payload, Signer& signer) {
  const Error not_signed{Errc::token_algorithm, 0, "key"};
  if (signer.public_key().kind() != KeyKind::ec_p256) return not_signed;
  std::string header;
  append_member(header, "alg", "ES256");
  append_member(header, "typ", type);
  append_member(header, "kid", key_id);
  header.push_back('}');
  PKI_TRY(read_jws_header(header));  // what nobody could read back must not be given out
  std::string token = to_base64url(as_bytes(header));
  token.append(".").append(to_base64url(as_bytes(payload)));
  const auto der = signer.sign(as_bytes(token));
  if (!der) return not_signed;
  PKI_TRY_ASSIGN(const std::vector<std::uint8_t> signature, to_raw(*der));
  token.append(".").append(to_base64url(signature));
  if (token.size() > kJwsBytesMax) return Error{Errc::token_too_long, kJwsBytesMax, "token"};
  return token;
}

Result<std::string> public_jwk(const PublicKey& key, std::string_view key_id) {
  if (key.kind() != KeyKind::ec_p256) return Error{Errc::token_algorithm, 0, "key"};
  const std::vector<std::uint8_t> point = key.ec_point();  // 04 x y
  const Bytes numbers = Bytes(point).subspan(1);
  std::string jwk;
  append_member(jwk, "kty", "EC");
  append_member(jwk, "crv", "P-256");
  append_member(jwk, "x", to_base64url(numbers.first(kNumberBytes)));
  append_member(jwk, "y", to_base64url(numbers.last(kNumberBytes)));
  append_member(jwk, "use", "sig");
  append_member(jwk, "alg", "ES256");
  append_member(jwk, "kid", key_id);
  jwk.push_back('}');
  return jwk;
}

}  // namespace pki
