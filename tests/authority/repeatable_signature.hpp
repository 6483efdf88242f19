// Signatures that are the same each time they are made: RSA PKCS#1 v1.5 is by nature; for ECDSA the
// nonce is derived from key and message instead of drawn, in the manner of RFC 6979 but not its
// algorithm. For test keys only.
#pragma once

#include "authority/der_emitter.hpp"
#include "authority/openssl.hpp"

namespace authority {

// Signs `message` with the digest that scheme_of(key) names. DER of ECDSA-Sig-Value, or the RSA
// signature. Throws Failure on other keys.
[[nodiscard]] Octets sign_repeatably(EVP_PKEY* key, OctetView message);

}  // namespace authority
