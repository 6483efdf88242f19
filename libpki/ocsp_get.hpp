// ocsp_get.hpp: the request in the path of a GET (RFC 6960 appendix A.1).
#pragma once

#include <string_view>
#include <vector>

#include "libpki/bytes.hpp"

namespace pki {

// Decodes what follows the responder's address in a path, "MFQw…", into `out`, which is filled
// anew.
//
// The RFC wants base64, then %-escapes. Clients are also known to escape twice, to leave '/' and
// '+' as they are, to put more than one '/' in front and one behind, to leave out '=', and to use
// base64url. All of that is taken, and nothing else: no white space, no other characters. Error:
// bad_base64, with an offset in what was left after unescaping. Cost: O(size), one allocation where
// there are escapes.
[[nodiscard]] Result<void> decode_ocsp_get(std::string_view path, std::vector<std::uint8_t>& out);

}  // namespace pki
