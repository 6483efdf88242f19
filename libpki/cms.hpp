// cms.hpp: a person's signature over a document: detached CMS (RFC 5652), or the bare signature as
// a card gives it. It must not know whose certificate is good, nor what the document says: whoever
// asks goes on with x509.hpp, jpki_profile.hpp and the index.
#pragma once

#include <vector>

#include "libpki/x509.hpp"

namespace pki {

inline constexpr std::size_t kCmsBytesMax = 64 * 1024;
inline constexpr std::size_t kDocumentBytesMax = 256 * 1024;
inline constexpr int kCmsCertificatesMax = 8;

// What a good signature is by.
struct CmsSigner {
  std::vector<std::uint8_t> certificate;  // DER; parse_certificate takes it
  SignatureAlgorithm algorithm;
};

// Verifies a detached SignedData over `document`, DER or BER, and gives its one signer.
//
// Required: content type data and no content inside; exactly one SignerInfo; its certificate
// inside, once, among at most kCmsCertificatesMax; signed attributes with exactly one contentType
// (data) and one messageDigest, the digest of the document. Digests SHA-256/384/512; signatures RSA
// PKCS#1 v1.5 and PSS, ECDSA (as in algorithm.hpp), with keys as PublicKey takes them. Unsigned
// attributes and CRLs are read over. No chain is built and no date is looked at. Errors: too_large,
// cms_syntax, cms_not_detached, cms_signers, cms_certificate, cms_attributes, document_mismatch,
// weak_algorithm, unsupported_algorithm, bad_algorithm_parameters, algorithm_mismatch,
// unsupported_key, bad_signature; those of parse_certificate.
[[nodiscard]] Result<CmsSigner> verify_detached_cms(Bytes cms, Bytes document);

// The certificate of the one signer, as DER, with nothing verified: for who wants to know whose
// signature it is before that. Errors: those of verify_detached_cms up to cms_certificate.
[[nodiscard]] Result<std::vector<std::uint8_t>> cms_signer_certificate(Bytes cms);

// Verifies the bare signature over a document by the certificate's key. The algorithm goes with the
// key, so that nobody can choose a weaker one: RSA PKCS#1 v1.5 with SHA-256, P-256 ECDSA with
// SHA-256, P-384 with SHA-384 (signature as Ecdsa-Sig-Value).
// Errors: too_large, unsupported_key, bad_signature.
[[nodiscard]] Result<void> verify_document_signature(const Certificate& certificate, Bytes document,
                                                     Bytes signature);

}  // namespace pki
