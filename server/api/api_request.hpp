// api_request.hpp: from an HTTP request to what a route gets: the checks that all routes have in
// common. Pure; it must not know sockets or the database.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "server/api/route.hpp"
#include "server/platform/problem.hpp"

namespace server {

// Fills `out` from the request: query, body, Idempotency-Key and the header fields that routes see.
// Throws Problem: invalid_request, unsupported_media_type, payload_too_large,
// idempotency_key_missing, idempotency_key_invalid.
void read_request(const HttpRequest& request, const Route& route, ApiRequest& out);

// The token of an Authorization field; nothing if that is empty or of another scheme, whose name is
// written in any case (RFC 9110 11.1).
[[nodiscard]] std::optional<std::string> bearer_token(std::string_view authorization);

// The key itself: 1 to 255 visible ASCII characters, bare or as a string of structured fields
// (draft-ietf-httpapi-idempotency-key-header: "8e03…" with quotation marks); both name the same
// key. Throws Problem(idempotency_key_invalid).
[[nodiscard]] std::string read_idempotency_key(std::string_view field);

// Why this caller may not use the route: client_certificate_unknown, client_certificate_revoked,
// institution_disabled, role_missing. Nothing if they may.
[[nodiscard]] std::optional<Problem> refusal_of(const std::optional<Caller>& caller,
                                                Route::Access access);

// What a client calls its request, if it is something that may be echoed: 1 to 64 letters, digits,
// '-', '_', '.' and ':'; else empty.
[[nodiscard]] std::string echoed_request_id(std::string_view field);

// 128 random bits as a UUID of version 4 (RFC 9562 5.4).
[[nodiscard]] std::string make_request_id();

// Does If-None-Match name this entity tag (RFC 9110 13.1.2)? Weak comparison; "*" names any.
[[nodiscard]] bool names_etag(std::string_view if_none_match, std::string_view etag);

}  // namespace server
