#include "server/commands/inspect_parts.hpp"

#include <fmt/format.h>

#include "libpki/consent_token.hpp"
#include "libpki/japan_time.hpp"
#include "libpki/jpki_profile.hpp"
#include "libpki/oid.hpp"
#include "server/commands/commands.hpp"
#include "server/files.hpp"

namespace server {
namespace {

using nlohmann::ordered_json;
namespace fs = std::filesystem;

constexpr std::size_t kTokenFileBytesMax = 64 * 1024;
constexpr std::size_t kJwksBytesMax = 256 * 1024;

void print_text(const ordered_json& value, int depth) {
  for (const auto& [key, member] : value.items()) {
    const std::string label = value.is_array() ? "-" : key + ":";
    if (member.is_structured()) {
      fmt::print("{:{}}{}\n", "", depth * 2, label);
      print_text(member, depth + 1);
    } else {
      fmt::print("{:{}}{} {}\n", "", depth * 2, label,
                 member.is_string() ? member.get<std::string>() : member.dump());
    }
  }
}

ordered_json describe(const pki::MappedText& item) {
  ordered_json out = {{"characters", item.characters}};
  out["map_digits"] = item.map ? ordered_json(item.map->size()) : ordered_json("absent");
  if (!item.map_fits) out["map_fits"] = false;
  return out;
}

// The text of a token file without the line's end that editors and shells add.
std::string read_token(const fs::path& path) {
  std::string text = read_file(path, kTokenFileBytesMax);
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  return text;
}

// The P-256 key of that id in a JWK set (RFC 7517), or nothing. Other kinds of keys are passed
// over.
std::optional<pki::PublicKey> find_key(const nlohmann::json& jwks, const std::string& key_id) {
  // SubjectPublicKeyInfo of P-256 up to the point's two coordinates (RFC 5480).
  constexpr std::string_view kSpki = "3059301306072a8648ce3d020106082a8648ce3d03010703420004";
  for (const nlohmann::json& jwk : jwks.at("keys")) {
    if (jwk.value("kid", "") != key_id || jwk.value("crv", "") != "P-256") continue;
    std::vector<std::uint8_t> spki = pki::from_hex(kSpki);
    const bool is_read = pki::decode_base64url(jwk.value("x", ""), spki).has_value() &&
                         pki::decode_base64url(jwk.value("y", ""), spki).has_value();
    const auto key = pki::PublicKey::parse(spki);
    if (!is_read || !key) {
      throw std::runtime_error(
          fmt::format("key {} of the JWK set is no point on P-256: x and y must be 32 octets in "
                      "base64url",
                      ordered_json(key_id).dump()));
    }
    return *key;
  }
  return std::nullopt;
}

// "good", or what is wrong with the signature.
std::string check_signature(std::string_view text, const pki::JwsHeader& header,
                            const fs::path& jwks_path) {
  const auto jwks = nlohmann::json::parse(read_file(jwks_path, kJwksBytesMax), nullptr, false);
  if (jwks.is_discarded() || !jwks.is_object() || !jwks.contains("keys")) {
    throw std::runtime_error(
        fmt::format("{}: not a JWK set; fetch it from /.well-known/jwks.json", jwks_path.string()));
  }
  if (header.algorithm != "ES256") return "not checked: only ES256 is used";
  std::optional<pki::PublicKey> key;
  try {
    key = find_key(jwks, header.key_id);
  } catch (const nlohmann::json::exception&) {
    throw std::runtime_error(
        fmt::format("{}: not a JWK set: keys is an array of objects whose members are strings",
                    jwks_path.string()));
  }
  if (!key) return "not checked: the set has no P-256 key of this kid";
  const auto jws = pki::split_jws(text);
  const auto verified = pki::verify_es256(*key, jws->signed_part, jws->signature);
  return verified ? "good" : pki::to_string(verified.error());
}

}  // namespace

void print_object(const ordered_json& value, PrintAs form) {
  if (form == PrintAs::json) {
    fmt::print("{}\n", value.dump(2));
  } else {
    print_text(value, 0);
  }
}

void describe_jpki(const pki::Certificate& certificate, ordered_json& out) {
  for (const pki::Bytes policy : certificate.policies()) {
    out["policies"].push_back(pki::oid_to_string(policy));
  }
  const auto items = pki::read_four_information(certificate);
  if (!items) {
    out["four_information"] = pki::to_string(items.error());
    return;
  }
  ordered_json lengths;
  if (items->name) lengths["name"] = describe(*items->name);
  if (items->sex) lengths["sex"] = "present";
  if (items->birthdate) lengths["birthdate"] = items->birthdate->date() ? "complete" : "in part";
  if (items->address) lengths["address"] = describe(*items->address);
  if (lengths.empty()) return;
  out["four_information"] = lengths;
  const auto signing = pki::check_signing_certificate(certificate, {});
  out["jpki_signing_certificate"] = signing ? "yes" : pki::to_string(signing.error());
}

int inspect_token(const fs::path& path, const std::optional<fs::path>& jwks_path, PrintAs form) {
  const std::string text = read_token(path);
  const auto token = pki::read_consent_token_unverified(text);
  if (!token) {
    throw std::runtime_error(fmt::format("{}: {}", path.string(), pki::to_string(token.error())));
  }
  const std::string signature = jwks_path ? check_signature(text, token->header, *jwks_path)
                                          : "not checked: pass --jwks FILE";
  const pki::ConsentTokenClaims& claims = token->claims;
  const ordered_json out = {{"algorithm", token->header.algorithm},
                            {"type", token->header.type},
                            {"key_id", token->header.key_id},
                            {"signature", signature},
                            {"issuer", claims.issuer},
                            {"audience", claims.audience},
                            {"subject", claims.subject},
                            {"client_id", claims.client_id},
                            {"token_id", claims.token_id},
                            {"issued_at", pki::time_to_rfc3339(claims.issued_at)},
                            {"not_before", pki::time_to_rfc3339(claims.not_before)},
                            {"expires_at", pki::time_to_rfc3339(claims.expires_at)},
                            {"consent_id", claims.consent_id},
                            {"consent_version", claims.consent_version},
                            {"scope", claims.scope},
                            {"certificate_sha256", pki::to_hex(claims.certificate_thumbprint)}};
  print_object(out, form);
  return !jwks_path || signature == "good" ? kExitOk : kExitFailed;
}

}  // namespace server
