// strict_json.hpp: one small JSON object, read strictly and written plainly; all that tokens need
// of JSON. It must not know what any member means. The API's bodies have a real JSON library.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libpki/error.hpp"

namespace pki {

// A member of an object. Values are strings, integers, or objects of one level more; arrays,
// fractions, true, false and null are refused, since no token of ours holds any.
struct JsonMember {
  enum class Kind : std::uint8_t { text, integer, object };

  std::string name;
  Kind kind = Kind::text;
  std::string text;          // UTF-8, unescaped
  std::int64_t integer = 0;  // of at most 2^53 - 1 in either direction
  std::vector<JsonMember> members;
};
using JsonObject = std::vector<JsonMember>;

inline constexpr std::size_t kJsonMembersMax = 32;  // of one object
inline constexpr int kJsonDepthMax = 2;             // an object in the object

// Reads one object, from the first to the last byte; white space may stand where RFC 8259 allows
// it.
//
// Refused, where other readers differ from each other: a byte order mark, a member twice (after
// unescaping, at any depth), U+0000 however written, lone surrogates, control characters, 1.0, 1e3,
// -0, numbers past 2^53 - 1. No recursion beyond kJsonDepthMax, however deep the text.
// Errors: bad_json, bad_text, json_number, duplicate_member; offsets in `text`.
[[nodiscard]] Result<JsonObject> read_json_object(std::string_view text);

// Appends a string with its quotes; escapes what RFC 8259 section 7 requires and nothing else.
void append_json_string(std::string& out, std::string_view text);

}  // namespace pki
