// openssl_free.hpp: what OpenSSL made is freed by the function that it has for that. For crypto.cpp
// and cms.cpp, which alone know OpenSSL.
#pragma once

namespace pki {

// std::unique_ptr<EVP_MD_CTX, Deleter<EVP_MD_CTX_free>>
template <auto Free>
struct Deleter {
  template <class T>
  void operator()(T* pointer) const {
    Free(pointer);
  }
};

}  // namespace pki
