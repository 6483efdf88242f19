#include "server/api/api_request.hpp"

#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <system_error>

#include "libpki/crypto.hpp"
#include "server/api/request_target.hpp"
#include "server/api/router.hpp"
#include "server/api/strict_json.hpp"
#include "server/platform/problem.hpp"

namespace server {
namespace {

constexpr std::size_t kKeyBytesMax = 255;

bool is_visible(char c) {
  return c > 0x20 && c < 0x7F;
}

// Method, target and body; a retry is the same request if all three are the same octets.
std::string request_sha256(const HttpRequest& request) {
  pki::DigestStream stream(pki::DigestAlgorithm::sha256);
  stream.update(pki::as_bytes(fmt::format("{} {}\n", method_name(request.method), request.target)));
  stream.update(pki::as_bytes(request.body));
  const pki::Digest digest = stream.finish();
  const auto bytes = digest.bytes();
  return {bytes.begin(), bytes.end()};
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

bool equal_in_any_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, lower, lower);
}

void read_body(const HttpRequest& request, const Route& route, ApiRequest& out) {
  if (route.body == Route::Body::none) {
    if (request.body.empty()) return;
    throw Problem(ProblemKind::invalid_request, "This address takes no body.");
  }
  if (request.content_type != "application/json") {
    throw Problem(ProblemKind::unsupported_media_type,
                  "Send the body as JSON, with Content-Type: application/json.");
  }
  // RFC 8259 8.1: JSON has no parameter of that name; but who says something else means it.
  if (!request.charset.empty() && !equal_in_any_case(request.charset, "utf-8")) {
    throw Problem(ProblemKind::unsupported_media_type, "JSON is UTF-8 and in no other charset.");
  }
  if (!request.content_encoding.empty() &&
      !equal_in_any_case(request.content_encoding, "identity")) {
    throw Problem(ProblemKind::unsupported_media_type,
                  "Send the body as it is, without a Content-Encoding.");
  }
  out.body = parse_strict_json(request.body);
}

void read_key(const HttpRequest& request, const Route& route, ApiRequest& out) {
  if (route.key == Route::Key::none) return;
  if (!request.idempotency_key.empty()) {
    out.idempotency_key = read_idempotency_key(request.idempotency_key);
  } else if (route.key == Route::Key::required) {
    throw Problem(ProblemKind::idempotency_key_missing,
                  "Send a header Idempotency-Key that no other request of yours has; a UUID will "
                  "do.");
  }
}

std::optional<Role> role_of(Route::Access access) {
  switch (access) {
    case Route::Access::poller: return Role::poller;
    case Route::Access::query: return Role::query;
    case Route::Access::consent_admin: return Role::consent_admin;
    case Route::Access::everybody:
    case Route::Access::any_role: break;
  }
  return std::nullopt;
}

}  // namespace

void read_request(const HttpRequest& request, const Route& route, ApiRequest& out) {
  out.query = read_query(request.target, route.query);
  read_key(request, route, out);
  read_body(request, route, out);
  out.body_sha256 = request_sha256(request);
  out.authorization = request.authorization;
  out.if_match = request.if_match;
  out.accept_language = request.accept_language;
}

std::optional<std::string> bearer_token(std::string_view authorization) {
  constexpr std::string_view kScheme = "Bearer ";
  if (!equal_in_any_case(authorization.substr(0, kScheme.size()), kScheme)) return std::nullopt;
  return std::string(authorization.substr(kScheme.size()));
}

std::string read_idempotency_key(std::string_view field) {
  std::string key;
  bool is_good = true;
  if (field.starts_with('"')) {
    // RFC 8941 3.3.3: \" and \\ are the only escapes.
    is_good = field.size() >= 2 && field.ends_with('"');
    for (std::size_t i = 1; is_good && i + 1 < field.size(); ++i) {
      if (field[i] == '\\') {
        ++i;
        is_good = i + 1 < field.size() && (field[i] == '"' || field[i] == '\\');
      } else {
        is_good = field[i] != '"';
      }
      key += field[i];
    }
  } else {
    key = field;
  }
  if (!is_good || key.empty() || key.size() > kKeyBytesMax ||
      !std::ranges::all_of(key, is_visible)) {
    throw Problem(ProblemKind::idempotency_key_invalid,
                  "An Idempotency-Key is 1 to 255 visible ASCII characters, best a UUID in "
                  "quotation marks.");
  }
  return key;
}

std::optional<Problem> refusal_of(const std::optional<Caller>& caller, Route::Access access) {
  if (!caller) {
    return Problem(ProblemKind::client_certificate_unknown,
                   "The certificate is valid, but no institution has registered it.");
  }
  if (!caller->is_certificate_active) return Problem(ProblemKind::client_certificate_revoked);
  if (!caller->is_institution_active) return Problem(ProblemKind::institution_disabled);
  const auto role = role_of(access);
  if (!role || caller->roles.has(*role)) return std::nullopt;
  Roles needed;
  needed.add(*role);
  return Problem(ProblemKind::role_missing,
                 fmt::format("This needs a certificate with the role {}; yours has: {}.",
                             needed.names().front(), fmt::join(caller->roles.names(), ", ")));
}

std::string echoed_request_id(std::string_view field) {
  constexpr std::string_view kAllowed =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:";
  const bool is_sane = field.size() <= 64 && field.find_first_not_of(kAllowed) == field.npos;
  return std::string(is_sane ? field : std::string_view());
}

std::string make_request_id() {
  std::array<std::uint8_t, 16> octets{};
  if (::getrandom(octets.data(), octets.size(), 0) != ssize_t{octets.size()}) {
    throw std::system_error(errno, std::generic_category(), "getrandom");
  }
  octets[6] = static_cast<std::uint8_t>((octets[6] & 0x0F) | 0x40);
  octets[8] = static_cast<std::uint8_t>((octets[8] & 0x3F) | 0x80);
  std::string text = pki::to_hex(octets);
  for (const std::size_t place : {20U, 16U, 12U, 8U}) text.insert(place, 1, '-');
  return text;
}

bool names_etag(std::string_view if_none_match, std::string_view etag) {
  if (if_none_match == "*") return true;
  while (!if_none_match.empty()) {
    std::string_view one = if_none_match.substr(0, if_none_match.find(','));
    if_none_match.remove_prefix(std::min(if_none_match.size(), one.size() + 1));
    while (one.starts_with(' ') || one.starts_with('\t')) one.remove_prefix(1);
    while (one.ends_with(' ') || one.ends_with('\t')) one.remove_suffix(1);
    if (one.starts_with("W/")) one.remove_prefix(2);
    if (one == etag) return true;
  }
  return false;
}

}  // namespace server
