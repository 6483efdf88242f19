// Answers GET and HEAD for one file: validators, conditions and ranges (RFC 9110 8.8, 13, 14).
#pragma once

#include <string>

#include "authority/http_message.hpp"
#include "authority/instant.hpp"

namespace authority {

// 200, 206, 304, 405 or 416. The entity tag is strong: a digest of the content. Only a single range
// is served; several at once are answered with the whole file, as a server may.
[[nodiscard]] Response file_response(const Request& request, std::shared_ptr<const Octets> content,
                                     Instant last_modified, const std::string& media_type);

// "Wed, 01 Apr 2026 00:00:00 GMT".
[[nodiscard]] std::string http_date(Instant instant);

}  // namespace authority
