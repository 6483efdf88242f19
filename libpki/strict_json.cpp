#include "libpki/strict_json.hpp"

#include <algorithm>
#include <charconv>

#include "libpki/bytes.hpp"

namespace pki {
namespace {

constexpr const char* kField = "JSON";
constexpr std::int64_t kIntegerMax = (std::int64_t{1} << 53) - 1;  // RFC 8259 section 6

void append_utf8(std::string& out, std::uint32_t code_point) {
  const auto put = [&](std::uint32_t octet) {
    out.push_back(static_cast<char>(static_cast<std::uint8_t>(octet)));
  };
  if (code_point < 0x80) return put(code_point);
  if (code_point < 0x800) {
    put(0xC0 | code_point >> 6);
  } else {
    if (code_point < 0x10000) {
      put(0xE0 | code_point >> 12);
    } else {
      put(0xF0 | code_point >> 18);
      put(0x80 | (code_point >> 12 & 0x3F));
    }
    put(0x80 | (code_point >> 6 & 0x3F));
  }
  put(0x80 | (code_point & 0x3F));
}

class JsonReader {
 public:
  explicit JsonReader(std::string_view text) : text_(text) {}

  Result<JsonObject> whole() {
    skip_space();
    PKI_TRY_ASSIGN(JsonObject object, read_object(1));
    skip_space();
    if (at_ != text_.size()) return error(Errc::bad_json);
    return object;
  }

 private:
  [[nodiscard]] Error error(Errc code) const { return {code, at_, kField}; }

  [[nodiscard]] bool next_is(char c) const { return at_ < text_.size() && text_[at_] == c; }

  bool skip(char c) {
    const bool is_there = next_is(c);
    if (is_there) ++at_;
    return is_there;
  }

  void skip_space() {
    while (next_is(' ') || next_is('\n') || next_is('\t') || next_is('\r')) ++at_;
  }

  // { name : value, … }
  Result<JsonObject> read_object(int depth) {
    JsonObject object;
    if (depth > kJsonDepthMax || !skip('{')) return error(Errc::bad_json);
    skip_space();
    if (skip('}')) return object;
    do {
      skip_space();
      const std::size_t name_at = at_;
      PKI_TRY_ASSIGN(JsonMember member, read_member(depth));
      const bool is_known = std::ranges::any_of(
          object, [&](const JsonMember& other) { return other.name == member.name; });
      if (is_known) return Error{Errc::duplicate_member, name_at, kField};
      if (object.size() == kJsonMembersMax) return Error{Errc::bad_json, name_at, kField};
      object.push_back(std::move(member));
      skip_space();
    } while (skip(','));
    if (!skip('}')) return error(Errc::bad_json);
    return object;
  }

  Result<JsonMember> read_member(int depth) {
    JsonMember member;
    PKI_TRY_ASSIGN(member.name, read_string());
    skip_space();
    if (!skip(':')) return error(Errc::bad_json);
    skip_space();
    if (next_is('"')) {
      PKI_TRY_ASSIGN(member.text, read_string());
    } else if (next_is('{')) {
      member.kind = JsonMember::Kind::object;
      PKI_TRY_ASSIGN(member.members, read_object(depth + 1));
    } else {
      member.kind = JsonMember::Kind::integer;
      PKI_TRY_ASSIGN(member.integer, read_integer());
    }
    return member;
  }

  // An integer in its shortest form: -7, 0, 12.
  Result<std::int64_t> read_integer() {
    const std::size_t end = std::min(text_.find_first_not_of("+-.0123456789Ee", at_), text_.size());
    const std::string_view digits = text_.substr(at_, end - at_);
    if (digits.empty()) return error(Errc::bad_json);
    std::int64_t value = 0;
    const auto [stop, failure] =
        std::from_chars(digits.data(), digits.data() + digits.size(), value);
    const bool is_plain = failure == std::errc{} && stop == digits.data() + digits.size() &&
                          std::to_string(value) == digits && value <= kIntegerMax &&
                          value >= -kIntegerMax;
    if (!is_plain) return error(Errc::json_number);
    at_ = end;
    return value;
  }

  Result<std::string> read_string() {
    if (!skip('"')) return error(Errc::bad_json);
    std::string out;
    while (!skip('"')) {
      const std::size_t begin = at_;
      while (at_ < text_.size() && is_ordinary(text_[at_])) ++at_;
      const std::string_view run = text_.substr(begin, at_ - begin);
      if (!count_code_points(run)) return Error{Errc::bad_text, begin, kField};
      out += run;
      if (at_ == text_.size()) return error(Errc::bad_json);
      if (next_is('\\')) {
        PKI_TRY(read_escape(out));
      } else if (!next_is('"')) {
        return error(Errc::bad_text);  // a control character
      }
    }
    return out;
  }

  static bool is_ordinary(char c) {
    return static_cast<unsigned char>(c) >= 0x20 && c != '"' && c != '\\';
  }

  Result<void> read_escape(std::string& out) {
    constexpr std::string_view kLetters = "\"\\/bfnrt";
    constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    const Error bad = error(Errc::bad_json);
    const std::size_t letter =
        at_ + 1 < text_.size() ? kLetters.find(text_[at_ + 1]) : std::string_view::npos;
    if (letter != std::string_view::npos) {
      out.push_back(kMeanings[letter]);
      at_ += 2;
      return {};
    }
    PKI_TRY_ASSIGN(std::uint32_t code_point, read_unit());
    if (code_point >= 0xD800 && code_point < 0xDC00) {
      PKI_TRY_ASSIGN(const std::uint32_t low, read_unit());
      if (low < 0xDC00 || low > 0xDFFF) return Error{Errc::bad_text, bad.offset, kField};
      code_point = 0x10000 + ((code_point - 0xD800) << 10) + (low - 0xDC00);
    } else if (code_point == 0 || (code_point >= 0xDC00 && code_point < 0xE000)) {
      return Error{Errc::bad_text, bad.offset, kField};
    }
    append_utf8(out, code_point);
    return {};
  }

  // \uXXXX: one UTF-16 unit. Missing where a low surrogate must follow, it is bad_text.
  Result<std::uint32_t> read_unit() {
    const std::string_view escape = text_.substr(at_, 6);
    std::uint32_t unit = 0;
    const bool is_escape = escape.size() == 6 && escape.starts_with("\\u");
    if (!is_escape) return error(next_is('\\') ? Errc::bad_json : Errc::bad_text);
    const auto [stop, failure] = std::from_chars(escape.data() + 2, escape.data() + 6, unit, 16);
    if (failure != std::errc{} || stop != escape.data() + 6) return error(Errc::bad_json);
    at_ += 6;
    return unit;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

Result<JsonObject> read_json_object(std::string_view text) {
  return JsonReader(text).whole();
}

void append_json_string(std::string& out, std::string_view text) {
  out.push_back('"');
  for (const char c : text) {
    const auto octet = static_cast<std::uint8_t>(c);
    if (octet < 0x20) {
      out.append("\\u00").append(to_hex({&octet, 1}));
      continue;
    }
    if (c == '"' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  out.push_back('"');
}

}  // namespace pki
