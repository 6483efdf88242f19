#include "libpki/ocsp_get.hpp"

#include <algorithm>

#include "libpki/der.hpp"

namespace pki {
namespace {

// Replaces every %XX once; a '%' that begins no escape stays, and is no base64.
std::string unescape(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::string_view digits = text.substr(i + 1, 2);
    const std::vector<std::uint8_t> octet =
        text[i] == '%' && digits.size() == 2 ? from_hex(digits) : std::vector<std::uint8_t>{};
    if (octet.size() == 1) {
      out.push_back(static_cast<char>(octet[0]));
      i += 2;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

// Is that exactly one DER element, as a request is?
bool is_whole(Bytes decoded) {
  der::Reader reader(decoded);
  return reader.any("OCSPRequest") && reader.empty();
}

Result<void> decode(std::string_view text, std::vector<std::uint8_t>& out) {
  out.clear();
  if (text.empty()) return Error{Errc::bad_base64, 0, "path"};
  return decode_base64(text, out);
}

}  // namespace

Result<void> decode_ocsp_get(std::string_view path, std::vector<std::uint8_t>& out) {
  std::string unescaped;
  for (int rounds = 0; rounds < 2 && path.find('%') != std::string_view::npos; ++rounds) {
    unescaped = unescape(path);
    std::ranges::replace(unescaped, ' ', '+');  // what a form decoder had made of a '+'
    path = unescaped;
  }
  // A request begins with a SEQUENCE, and base64 of one never begins with '/'.
  while (path.starts_with('/')) path.remove_prefix(1);
  const Result<void> decoded = decode(path, out);
  // One '/' behind may be the client's or a digit; the request's own length tells.
  if (!path.ends_with('/') || (decoded && is_whole(out))) return decoded;
  return decode(path.substr(0, path.size() - 1), out);
}

}  // namespace pki
