// ocsp_get_test.cpp: GET paths as clients are known to write them.
#include <catch2/catch.hpp>

#include "libpki/ocsp_get.hpp"

namespace {

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    const bool is_plain = std::isalnum(static_cast<unsigned char>(c)) != 0;
    out += is_plain ? std::string(1, c) : "%" + pki::to_hex(pki::as_bytes({&c, 1}));
  }
  return out;
}

std::string url_alphabet(std::string text) {
  for (char& c : text) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return text;
}

}  // namespace

TEST_CASE("ocsp_get: every spelling of one request decodes to it", "[ocsp_get]") {
  // Bytes that need '+' and '/' and padding, inside one DER element.
  const std::vector<std::uint8_t> request = {0x30, 0x05, 0xFB, 0xEF, 0xBE, 0xFF, 0xFF};
  const std::string text = pki::to_base64(request);
  REQUIRE(text == "MAX7777//w==");
  const std::string unpadded = text.substr(0, text.find('='));
  const std::vector<std::string> spellings = {text,
                                              unpadded,
                                              escaped(text),
                                              escaped(escaped(text)),
                                              "/" + text,
                                              "///" + text,
                                              text + "/",
                                              unpadded + "/",
                                              "/" + escaped(text) + "/",
                                              url_alphabet(text),
                                              url_alphabet(unpadded) + "/"};
  for (const std::string& spelling : spellings) {
    CAPTURE(spelling);
    std::vector<std::uint8_t> out = {1, 2, 3};
    REQUIRE(pki::decode_ocsp_get(spelling, out).has_value());
    CHECK(out == request);
  }
}

TEST_CASE("ocsp_get: a slash at the end that is a digit stays one", "[ocsp_get]") {
  const std::vector<std::uint8_t> request = {0x30, 0x04, 0x00, 0x00, 0x00, 0x3F};
  const std::string text = pki::to_base64(request);
  REQUIRE(text.back() == '/');
  std::vector<std::uint8_t> out;
  REQUIRE(pki::decode_ocsp_get(text + "/", out).has_value());
  CHECK(out == request);
  REQUIRE(pki::decode_ocsp_get(text, out).has_value());
  CHECK(out == request);
}

TEST_CASE("ocsp_get: what is no base64 is refused", "[ocsp_get]") {
  const std::string path = GENERATE(as<std::string>{}, "", "/", "A", "MA M", "MA%", "MA%4", "MA%zz",
                                    "%2525254D", "MA==A", "caf\xC3\xA9", "MAA=%00");
  CAPTURE(path);
  std::vector<std::uint8_t> out;
  const auto result = pki::decode_ocsp_get(path, out);
  REQUIRE_FALSE(result.has_value());
  CHECK(result.error().code == pki::Errc::bad_base64);
}
