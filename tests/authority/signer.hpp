// Signer: what a person does with the card: signs a document with the key of a signing or
// authentication certificate.
#pragma once

#include "authority/der_emitter.hpp"
#include "authority/instant.hpp"
#include "authority/openssl.hpp"

namespace authority {

// PKCS#1 v1.5 with SHA-256, or DER of ECDSA-Sig-Value with SHA-384 (P-384), over the document.
[[nodiscard]] Octets sign_raw(EVP_PKEY* key, OctetView document);

// The same signature as DER of a detached CMS SignedData (RFC 5652): no content, the certificate,
// and the signed attributes contentType, signingTime (`now`) and messageDigest.
[[nodiscard]] Octets sign_cms(EVP_PKEY* key, const Octets& certificate, OctetView document,
                              Instant now);

// Base64 (RFC 4648 section 4) with padding. Decoding throws Failure on anything else.
[[nodiscard]] std::string to_base64(OctetView octets);
[[nodiscard]] Octets from_base64(const std::string& text);

}  // namespace authority
