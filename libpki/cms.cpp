#include "libpki/cms.hpp"

#include <openssl/asn1.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/x509.h>

#include <memory>

#include "libpki/oid.hpp"
#include "libpki/openssl_free.hpp"

namespace pki {
namespace {

void free_certificates(STACK_OF(X509) * certificates) {
  sk_X509_pop_free(certificates, X509_free);
}
using Cms = std::unique_ptr<CMS_ContentInfo, Deleter<CMS_ContentInfo_free>>;
using Certificates = std::unique_ptr<STACK_OF(X509), Deleter<free_certificates>>;

// OpenSSL's queue of errors does not outlive a call of ours.
struct ErrorQueue {
  ErrorQueue() = default;
  ErrorQueue(const ErrorQueue&) = delete;
  ErrorQueue& operator=(const ErrorQueue&) = delete;
  ~ErrorQueue() { ERR_clear_error(); }
};

Error refused(Errc code, const char* field) {
  return {code, 0, field};
}

template <class T, class I2d>
std::vector<std::uint8_t> encoded(T* object, I2d i2d) {
  unsigned char* raw = nullptr;
  const int size = i2d(object, &raw);
  std::vector<std::uint8_t> octets;
  if (size > 0) octets.assign(raw, raw + size);
  OPENSSL_free(raw);
  return octets;
}

Result<Cms> read_signed_data(Bytes input) {
  const unsigned char* at = input.data();
  Cms cms(d2i_CMS_ContentInfo(nullptr, &at, static_cast<long>(input.size())));
  if (!cms) return refused(Errc::cms_syntax, "ContentInfo");
  if (at != input.data() + input.size()) return refused(Errc::trailing_data, "ContentInfo");
  if (OBJ_obj2nid(CMS_get0_type(cms.get())) != NID_pkcs7_signed) {
    return refused(Errc::cms_syntax, "contentType");
  }
  if (CMS_is_detached(cms.get()) != 1 ||
      OBJ_obj2nid(CMS_get0_eContentType(cms.get())) != NID_pkcs7_data) {
    return refused(Errc::cms_not_detached, "encapContentInfo");
  }
  return cms;
}

Result<CMS_SignerInfo*> only_signer(CMS_ContentInfo* cms) {
  STACK_OF(CMS_SignerInfo)* const signers = CMS_get0_SignerInfos(cms);
  if (signers == nullptr || sk_CMS_SignerInfo_num(signers) != 1) {
    return refused(Errc::cms_signers, "signerInfos");
  }
  return sk_CMS_SignerInfo_value(signers, 0);
}

// The one certificate that the signer names by issuer and serial number, or by key identifier.
Result<X509*> signer_certificate(CMS_SignerInfo* signer, STACK_OF(X509) * certificates) {
  const int count = certificates == nullptr ? 0 : sk_X509_num(certificates);
  if (count > kCmsCertificatesMax) return refused(Errc::cms_certificate, "certificates");
  X509* found = nullptr;
  for (int i = 0; i < count; ++i) {
    X509* const one = sk_X509_value(certificates, i);
    if (CMS_SignerInfo_cert_cmp(signer, one) != 0) continue;
    if (found != nullptr) return refused(Errc::cms_certificate, "certificates");
    found = one;
  }
  if (found == nullptr) return refused(Errc::cms_certificate, "certificates");
  return found;
}

// A SignedData with its signer, of which nothing is verified yet.
struct Signed {
  Cms cms;
  CMS_SignerInfo* signer;
  Certificates certificates;
  X509* holder;
};

Result<Signed> open_signed(Bytes input) {
  if (input.size() > kCmsBytesMax) return refused(Errc::too_large, "CMS");
  PKI_TRY_ASSIGN(Cms cms, read_signed_data(input));
  PKI_TRY_ASSIGN(CMS_SignerInfo* const signer, only_signer(cms.get()));
  Certificates certificates(CMS_get1_certs(cms.get()));
  PKI_TRY_ASSIGN(X509* const holder, signer_certificate(signer, certificates.get()));
  return Signed{std::move(cms), signer, std::move(certificates), holder};
}

// An AlgorithmIdentifier of OpenSSL's, read by our own reader and so by its list.
template <class Read>
auto read_algorithm(const X509_ALGOR* algorithm, Read read) {
  const std::vector<std::uint8_t> der = encoded(algorithm, i2d_X509_ALGOR);
  der::Reader reader(der);
  auto result = read(reader);
  if (!result) result = refused(result.error().code, result.error().field);
  return result;
}

// The signature's algorithm, whose digest must be the one of digestAlgorithm. RSA signers may say
// rsaEncryption alone (RFC 3370 3.2).
Result<SignatureAlgorithm> read_algorithms(CMS_SignerInfo* signer) {
  X509_ALGOR* digest_algorithm = nullptr;
  X509_ALGOR* signature_algorithm = nullptr;
  CMS_SignerInfo_get0_algs(signer, nullptr, nullptr, &digest_algorithm, &signature_algorithm);
  PKI_TRY_ASSIGN(const auto digest, read_algorithm(digest_algorithm, [](der::Reader& reader) {
                   return read_digest_algorithm(reader, "digestAlgorithm");
                 }));
  if (!digest) return refused(Errc::unsupported_algorithm, "digestAlgorithm");
  if (*digest == DigestAlgorithm::sha1) return refused(Errc::weak_algorithm, "digestAlgorithm");
  if (OBJ_obj2nid(signature_algorithm->algorithm) == NID_rsaEncryption) {
    return SignatureAlgorithm{SignatureScheme::rsa_pkcs1, *digest};
  }
  PKI_TRY_ASSIGN(const SignatureAlgorithm algorithm,
                 read_algorithm(signature_algorithm, [](der::Reader& reader) {
                   return read_signature_algorithm(reader, "signatureAlgorithm");
                 }));
  if (algorithm.scheme == SignatureScheme::ed25519) {
    return refused(Errc::unsupported_algorithm, "signatureAlgorithm");
  }
  if (algorithm.digest != *digest) return refused(Errc::algorithm_mismatch, "signatureAlgorithm");
  return algorithm;
}

// The value of a signed attribute that is there once, with one value (-3 asks OpenSSL for that).
void* only_attribute(CMS_SignerInfo* signer, int nid, int type) {
  return CMS_signed_get0_data_by_OBJ(signer, OBJ_nid2obj(nid), -3, type);
}

Result<void> check_attributes(CMS_SignerInfo* signer, const Digest& document_digest) {
  const auto* const type =
      static_cast<const ASN1_OBJECT*>(only_attribute(signer, NID_pkcs9_contentType, V_ASN1_OBJECT));
  const auto* const value = static_cast<const ASN1_OCTET_STRING*>(
      only_attribute(signer, NID_pkcs9_messageDigest, V_ASN1_OCTET_STRING));
  if (type == nullptr || value == nullptr || OBJ_obj2nid(type) != NID_pkcs7_data) {
    return refused(Errc::cms_attributes, "signedAttrs");
  }
  const Bytes digest(ASN1_STRING_get0_data(value),
                     static_cast<std::size_t>(ASN1_STRING_length(value)));
  if (!equal(digest, document_digest.bytes())) {
    return refused(Errc::document_mismatch, "messageDigest");
  }
  return {};
}

bool fits(SignatureScheme scheme, KeyKind kind) {
  const bool is_rsa = scheme == SignatureScheme::rsa_pkcs1 || scheme == SignatureScheme::rsa_pss;
  return is_rsa ? kind == KeyKind::rsa : kind != KeyKind::rsa && kind != KeyKind::ed25519;
}

}  // namespace

Result<CmsSigner> verify_detached_cms(Bytes cms, Bytes document) {
  if (document.size() > kDocumentBytesMax) return refused(Errc::too_large, "document");
  const ErrorQueue queue;
  PKI_TRY_ASSIGN(const Signed signed_data, open_signed(cms));
  CMS_SignerInfo* const signer = signed_data.signer;
  PKI_TRY_ASSIGN(const SignatureAlgorithm algorithm, read_algorithms(signer));

  CmsSigner result{encoded(signed_data.holder, i2d_X509), algorithm};
  PKI_TRY_ASSIGN(const Certificate certificate, parse_certificate(result.certificate));
  PKI_TRY_ASSIGN(const PublicKey key, PublicKey::parse(certificate.spki));
  if (!fits(algorithm.scheme, key.kind())) return refused(Errc::unsupported_key, "certificate");

  PKI_TRY(check_attributes(signer, digest(algorithm.digest, document)));
  CMS_SignerInfo_set1_signer_cert(signer, signed_data.holder);
  if (CMS_SignerInfo_verify(signer) != 1) return refused(Errc::bad_signature, "signature");
  return result;
}

Result<std::vector<std::uint8_t>> cms_signer_certificate(Bytes cms) {
  const ErrorQueue queue;
  PKI_TRY_ASSIGN(const Signed signed_data, open_signed(cms));
  return encoded(signed_data.holder, i2d_X509);
}

Result<void> verify_document_signature(const Certificate& certificate, Bytes document,
                                       Bytes signature) {
  if (document.size() > kDocumentBytesMax) return refused(Errc::too_large, "document");
  PKI_TRY_ASSIGN(const PublicKey key, PublicKey::parse(certificate.spki));
  SignatureAlgorithm algorithm{SignatureScheme::ecdsa, DigestAlgorithm::sha256};
  switch (key.kind()) {
    case KeyKind::rsa: algorithm.scheme = SignatureScheme::rsa_pkcs1; break;
    case KeyKind::ec_p256: break;
    case KeyKind::ec_p384: algorithm.digest = DigestAlgorithm::sha384; break;
    case KeyKind::ec_p521:
    case KeyKind::ed25519: return refused(Errc::unsupported_key, "certificate");
  }
  PKI_TRY(verify_signature(algorithm, key, document, signature));
  return {};
}

}  // namespace pki
