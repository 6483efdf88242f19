// openssl.hpp: OpenSSL as the second opinion of a test. Owning pointers and a few conversions.
#pragma once

#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/ocsp.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <string_view>

#include "tests/support/der_builder.hpp"

namespace test {

template <auto Free>
struct Deleter {
  template <class T>
  void operator()(T* pointer) const {
    Free(pointer);
  }
};
template <class T, auto Free>
using Owned = std::unique_ptr<T, Deleter<Free>>;

using Bio = Owned<BIO, BIO_free>;
using BigNumber = Owned<BIGNUM, BN_free>;
using Asn1Integer = Owned<ASN1_INTEGER, ASN1_INTEGER_free>;
using Asn1Time = Owned<ASN1_TIME, ASN1_TIME_free>;
using Key = Owned<EVP_PKEY, EVP_PKEY_free>;
using X509Certificate = Owned<X509, X509_free>;
using X509List = Owned<X509_CRL, X509_CRL_free>;
using Response = Owned<OCSP_RESPONSE, OCSP_RESPONSE_free>;
using BasicResponse = Owned<OCSP_BASICRESP, OCSP_BASICRESP_free>;

// A private key or certificate of tests/data.
Key load_key(std::string_view file_name);
X509Certificate load_certificate(std::string_view file_name);

// What OpenSSL makes of the content octets of a DER INTEGER: hex with '-', as BN_bn2hex writes it.
std::string integer_hex(const Octets& content);
std::string integer_decimal(const Octets& content);

// Signs with ECDSA, RSA PKCS#1 v1.5 (SHA-256) or Ed25519.
Octets sign(EVP_PKEY* key, const Octets& data);

}  // namespace test
