// http_message.hpp: a request and a response as handlers see them. Nothing of Beast or sockets.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "libpki/bytes.hpp"

namespace server {

enum class Method : std::uint8_t { get, head, post, put, other };

// Which header fields a listener looks at; the others are not kept.
enum class HeaderFields : std::uint8_t { of_status, of_api };

// A complete request. Owned by its connection, which uses it again for the next one.
struct HttpRequest {
  Method method = Method::other;
  std::string target;         // as on the wire
  std::string content_type;   // lower case, without parameters; empty if there is none
  std::string if_none_match;  // several header lines joined by commas; empty if there is none
  std::string body;

  // Empty unless HeaderFields::of_api are kept, or if there are none. The first five may come once;
  // a request that has one of them twice is refused with 400.
  std::string authorization;
  std::string idempotency_key;
  std::string if_match;
  std::string client_request_id;  // X-Client-Request-Id
  std::string content_encoding;
  std::string charset;  // of Content-Type, without quotation marks
  std::string accept;   // several header lines joined by commas, as the next
  std::string accept_language;
};

// What is said to what is no request: complete header lines, and the body.
struct HttpRefusal {
  std::string headers;
  std::string body;
};

// A response. The connection adds the status line, Date, Content-Length and Connection.
struct HttpResponse {
  unsigned status = 200;
  std::string_view headers;  // complete lines, each with its CRLF
  pki::Bytes body;           // left out for HEAD and 304, but counted for HEAD
};

// "Sun, 22 Nov 2026 07:38:00 GMT" (IMF-fixdate, RFC 9110 5.6.7), 29 characters.
[[nodiscard]] std::string http_date(std::int64_t unix_seconds);

// What is said to what is no request, by a handler that has nothing better to say: plain text.
[[nodiscard]] HttpRefusal plain_refusal(unsigned status);

// "OK" for 200.
[[nodiscard]] std::string_view reason_phrase(unsigned status);

}  // namespace server
