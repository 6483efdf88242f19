// page_token.hpp: where a list goes on. Opaque, and of one institution and one list only: what was
// given to somebody else, or changed, is refused as any other text is.
#pragma once

#include <string>
#include <string_view>

#include "server/platform/problem.hpp"
#include "server/store/sealing.hpp"

namespace server {

// base64url(version | HMAC-SHA-256/128(key, version, list, institution, place) | place). `list`
// names the list and all that filters it.
[[nodiscard]] std::string make_page_token(const SecretKey& key, std::string_view list,
                                          std::string_view institution_id, std::string_view place);
// The place. Throws bad_page_token() for what make_page_token() did not make of the same.
[[nodiscard]] std::string read_page_token(const SecretKey& key, std::string_view list,
                                          std::string_view institution_id, std::string_view token);

// What is said of a page token that is none, whyever.
[[nodiscard]] Problem bad_page_token();

}  // namespace server
