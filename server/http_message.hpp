// http_message.hpp: a request and a response as handlers see them. Nothing of Beast or sockets.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "libpki/bytes.hpp"

namespace server {

enum class Method : std::uint8_t { get, head, post, other };

// A complete request. Owned by its connection, which uses it again for the next one.
struct HttpRequest {
  Method method = Method::other;
  std::string target;         // as on the wire
  std::string content_type;   // lower case, without parameters; empty if there is none
  std::string if_none_match;  // several header lines joined by commas; empty if there is none
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

// "OK" for 200.
[[nodiscard]] std::string_view reason_phrase(unsigned status);

}  // namespace server
