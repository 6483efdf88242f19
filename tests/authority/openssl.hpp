// Owning pointers for the OpenSSL objects used here, and the way an OpenSSL failure becomes a
// Failure.
#pragma once

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string>

namespace authority {

template <auto Free>
struct Deleter {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};

using BioPointer = std::unique_ptr<BIO, Deleter<BIO_free_all>>;
using BignumPointer = std::unique_ptr<BIGNUM, Deleter<BN_clear_free>>;
using CertificatePointer = std::unique_ptr<X509, Deleter<X509_free>>;
using DigestContextPointer = std::unique_ptr<EVP_MD_CTX, Deleter<EVP_MD_CTX_free>>;
using KeyContextPointer = std::unique_ptr<EVP_PKEY_CTX, Deleter<EVP_PKEY_CTX_free>>;
using KeyPointer = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;

// Throws Failure("`what`: <OpenSSL's newest reason>") and empties OpenSSL's error queue.
[[noreturn]] void fail_openssl(const std::string& what);

// Throws unless `succeeded`, which is how most OpenSSL calls report.
inline void require(bool succeeded, const char* what) {
  if (!succeeded) fail_openssl(what);
}

}  // namespace authority
