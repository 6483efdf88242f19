// strict_json.hpp: bodies of requests as JSON, read so that no two readers can disagree about them.
// It must not know what any member means; members.hpp does that.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace server {

inline constexpr std::size_t kJsonDepthMax = 16;
inline constexpr std::size_t kJsonValuesMax = 50'000;  // of one body, so that memory is bounded

// Reads one JSON text from the first to the last byte (RFC 8259).
//
// Refused, beside what is no JSON: a byte order mark, U+0000 however written, text that is not
// UTF-8, a member twice at any depth (readers differ in which one they take), more than
// kJsonDepthMax levels or kJsonValuesMax values, and numbers that are not written as integers from
// -(2^53 - 1) to 2^53 - 1: 1.0, 1e3, -0, 1e400.
// Throws Problem(invalid_request) with one fault: code "bad_json", "duplicate_member", "too_deep",
// "too_many_values" or "not_an_integer"; its pointer says where. No value is told.
// Cost: O(size), no recursion while reading; the result is at most kJsonDepthMax deep.
[[nodiscard]] nlohmann::json parse_strict_json(std::string_view text);

// Appends a name to a JSON pointer (RFC 6901). What a client made up is clipped to 64 octets.
[[nodiscard]] std::string json_pointer(std::string_view parent, std::string_view name);

}  // namespace server
