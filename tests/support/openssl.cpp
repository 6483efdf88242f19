#include "tests/support/openssl.hpp"

#include <openssl/pem.h>

#include <stdexcept>

#include "tests/support/fixtures.hpp"

namespace test {
namespace {

BigNumber big_number(const Octets& content) {
  const Octets der = integer_of(content);
  const unsigned char* at = der.data();
  const Asn1Integer number(d2i_ASN1_INTEGER(nullptr, &at, static_cast<long>(der.size())));
  if (!number) throw std::runtime_error("OpenSSL does not read this INTEGER");
  return BigNumber(ASN1_INTEGER_to_BN(number.get(), nullptr));
}

std::string take(char* text) {
  std::string out = text;
  OPENSSL_free(text);
  return out;
}

}  // namespace

Key load_key(std::string_view file_name) {
  const std::string pem = data_text(file_name);
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
  if (!key) throw std::runtime_error("no key in " + std::string(file_name));
  return key;
}

X509Certificate load_certificate(std::string_view file_name) {
  const Octets der = data_pem(file_name);
  const unsigned char* at = der.data();
  X509Certificate certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  if (!certificate) throw std::runtime_error("no certificate in " + std::string(file_name));
  return certificate;
}

std::string integer_hex(const Octets& content) {
  return take(BN_bn2hex(big_number(content).get()));
}

std::string integer_decimal(const Octets& content) {
  return take(BN_bn2dec(big_number(content).get()));
}

Octets sign(EVP_PKEY* key, const Octets& data) {
  const Owned<EVP_MD_CTX, EVP_MD_CTX_free> context(EVP_MD_CTX_new());
  const bool hashes_itself = EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519;
  std::size_t size = static_cast<std::size_t>(EVP_PKEY_get_size(key));
  Octets signature(size);
  if (EVP_DigestSignInit(context.get(), nullptr, hashes_itself ? nullptr : EVP_sha256(), nullptr,
                         key) != 1 ||
      EVP_DigestSign(context.get(), signature.data(), &size, data.data(), data.size()) != 1) {
    throw std::runtime_error("OpenSSL does not sign");
  }
  signature.resize(size);
  return signature;
}

}  // namespace test
