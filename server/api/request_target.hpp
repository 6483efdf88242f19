// request_target.hpp: the address that a request asks for, taken apart. Strict: what two readers
// could read differently is no address of ours. It must not know any route.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace server {

// The segments of the path, decoded: {"v1", "consents", "cns_…"}. Nothing if it is no path that the
// API could have: empty or dotted segments, more than 8 of them or more than 64 octets in one,
// characters other than the unreserved ones (RFC 3986 2.3), however written. The absolute form
// (RFC 9112 3.2.2) is taken, its host ignored.
[[nodiscard]] std::optional<std::vector<std::string>> split_path(std::string_view target);

// Is a token or a password in the query? FAPI 2.0 forbids that: addresses end up in logs.
[[nodiscard]] bool has_token_in_query(std::string_view target);

// The parameters, decoded. Throws Problem(invalid_request) with a fault for each one that is not in
// `allowed`, is there twice, or is not well-formed; never with a value.
[[nodiscard]] std::map<std::string, std::string> read_query(
    std::string_view target, const std::vector<std::string>& allowed);

}  // namespace server
