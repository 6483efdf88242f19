// fuzz_get.cpp: decode_ocsp_get, and decode_base64 under it, against OpenSSL.
//
// What it accepts, OpenSSL decodes to the same bytes; what OpenSSL accepts of the plain alphabet,
// it refuses only for bits that are not zero. The result goes into parse_request, as in the server.
#include <openssl/evp.h>

#include <string>

#include "fuzz_support.hpp"
#include "libpki/ocsp_get.hpp"
#include "libpki/ocsp_request.hpp"

namespace {

using pki::Bytes;
using Octets = std::vector<std::uint8_t>;

// The canonical spelling: the plain alphabet, padded.
std::string normalise(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c == '-') c = '+';
    if (c == '_') c = '/';
  }
  while (out.size() % 4 != 0) out.push_back('=');
  return out;
}

// Digits of the plain alphabet, then up to two '='. EVP_DecodeBlock also takes white space around
// the text and '=' inside it, which are no concern here.
bool is_plain(std::string_view text) {
  const std::size_t digits = text.find_last_not_of('=') + 1;  // 0 if there are none
  if (text.size() % 4 != 0 || text.size() - digits > 2) return false;
  return text.substr(0, digits).find_first_not_of(
             "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") ==
         std::string_view::npos;
}

// OpenSSL's decoding of a padded text; nothing if it refuses.
std::optional<Octets> decode_block(std::string_view text) {
  Octets out(text.size() / 4 * 3 + 1);
  const int size = EVP_DecodeBlock(out.data(), reinterpret_cast<const unsigned char*>(text.data()),
                                   static_cast<int>(text.size()));
  if (size < 0) return std::nullopt;
  const std::size_t padding = text.size() - (text.find_last_not_of('=') + 1);
  out.resize(static_cast<std::size_t>(size) - padding);
  return out;
}

void check_accepted(std::string_view text, const Octets& decoded) {
  const std::string canonical = normalise(text);
  FUZZ_CHECK(decoded.size() <= text.size() * 3 / 4);
  FUZZ_CHECK(pki::to_base64(decoded) == canonical);  // one byte string, one spelling
  if (!canonical.empty()) FUZZ_CHECK(decode_block(canonical) == decoded);

  pki::OcspRequest request;
  fuzz::check_refusal(pki::parse_request(decoded, request), decoded.size());
}

// A path decodes to what its canonical spelling does, however a client has escaped it.
void check_path(std::string_view path) {
  Octets plain;
  fuzz::check_refusal(pki::decode_ocsp_get(path, plain), path.size());
  Octets base64;
  if (path.empty() || path.starts_with('/') || path.ends_with('/')) return;
  if (!pki::decode_base64(path, base64)) return;
  FUZZ_CHECK(pki::equal(plain, base64));
  std::string escaped = "//";
  for (const char c : path) escaped += "%" + pki::to_hex(pki::as_bytes({&c, 1}));
  FUZZ_CHECK(pki::decode_ocsp_get(escaped, plain).has_value() && pki::equal(plain, base64));
}

void check_encoding(Bytes data) {
  const std::string text = pki::to_base64(data);
  Octets theirs(data.size() / 3 * 4 + 5);
  const int size = EVP_EncodeBlock(theirs.data(), data.data(), static_cast<int>(data.size()));
  FUZZ_CHECK(pki::equal(pki::as_bytes(text), Bytes(theirs).first(static_cast<std::size_t>(size))));

  Octets again;
  FUZZ_CHECK(pki::decode_base64(text, again).has_value() && pki::equal(again, data));
  std::string url(text.substr(0, text.find('=')));
  for (char& c : url) {
    if (c == '+') c = '-';
    if (c == '/') c = '_';
  }
  again.clear();
  FUZZ_CHECK(pki::decode_base64(url, again).has_value() && pki::equal(again, data));

  const Octets unhexed = pki::from_hex(pki::to_hex(data));
  FUZZ_CHECK(pki::equal(unhexed, data));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::Run run;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  Octets decoded;
  const auto result = pki::decode_base64(text, decoded);
  fuzz::check_refusal(result, size);
  if (result) {
    check_accepted(text, decoded);
  } else if (is_plain(text)) {
    const auto theirs = decode_block(text);
    FUZZ_CHECK(!theirs || pki::to_base64(*theirs) != text);
  }
  check_path(text);
  check_encoding({data, size});
  return 0;
}
