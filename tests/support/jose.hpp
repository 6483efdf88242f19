// jose.hpp: compact JWS put together by OpenSSL alone, right or wrong, for tests of what reads
// them.
#pragma once

#include <openssl/ecdsa.h>

#include <string>
#include <string_view>

#include "tests/support/openssl.hpp"

namespace test {

inline std::string base64url(const Octets& octets) {
  std::string text(octets.size() / 3 * 4 + 5, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), octets.data(),
                                   static_cast<int>(octets.size()));
  text.resize(static_cast<std::size_t>(size));
  text.resize(text.find_last_not_of('=') + 1);
  for (char& c : text) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return text;
}
inline std::string base64url(std::string_view characters) {
  return base64url(text(characters));
}

// r and s, 32 octets each.
inline Octets es256(EVP_PKEY* key, std::string_view data) {
  const Octets der = sign(key, text(data));
  const unsigned char* at = der.data();
  const Owned<ECDSA_SIG, ECDSA_SIG_free> numbers(
      d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())));
  Octets raw(64);
  BN_bn2binpad(ECDSA_SIG_get0_r(numbers.get()), raw.data(), 32);
  BN_bn2binpad(ECDSA_SIG_get0_s(numbers.get()), raw.data() + 32, 32);
  return raw;
}

inline std::string jws(EVP_PKEY* key, std::string_view header, std::string_view payload) {
  const std::string head_and_body = base64url(header) + "." + base64url(payload);
  return head_and_body + "." + base64url(es256(key, head_and_body));
}

}  // namespace test
