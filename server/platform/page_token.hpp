// page_token.hpp: where a list goes on. Opaque, and of one institution and one list only: what was
// given to somebody else, or changed, is like something that does not exist.
#pragma once

#include <string>
#include <string_view>

#include "server/store/sealing.hpp"

namespace server {

// base64url(version | HMAC-SHA-256/128(key, version, list, institution, place) | place). `list`
// names the list and all that filters it.
[[nodiscard]] std::string make_page_token(const SecretKey& key, std::string_view list,
                                          std::string_view institution_id, std::string_view place);
// The place. Throws Problem(not_found).
[[nodiscard]] std::string read_page_token(const SecretKey& key, std::string_view list,
                                          std::string_view institution_id, std::string_view token);

}  // namespace server
