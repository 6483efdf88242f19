#include "authority/signer.hpp"

#include <openssl/cms.h>

#include <memory>

#include "authority/failure.hpp"
#include "authority/repeatable_signature.hpp"
#include "authority/signatures.hpp"

namespace authority {
namespace {

using CmsPointer = std::unique_ptr<CMS_ContentInfo, Deleter<CMS_ContentInfo_free>>;
using TimePointer = std::unique_ptr<ASN1_TIME, Deleter<ASN1_TIME_free>>;

BioPointer memory(OctetView octets) {
  BioPointer bio(BIO_new_mem_buf(octets.data(), static_cast<int>(octets.size())));
  require(bio != nullptr, "preparing a document");
  return bio;
}

}  // namespace

Octets sign_raw(EVP_PKEY* key, OctetView document) {
  return sign_repeatably(key, document);
}

Octets sign_cms(EVP_PKEY* key, const Octets& certificate, OctetView document, Instant now) {
  constexpr unsigned kFlags = CMS_DETACHED | CMS_BINARY | CMS_NOSMIMECAP | CMS_PARTIAL;
  const unsigned char* cursor = certificate.data();
  const CertificatePointer signer(
      d2i_X509(nullptr, &cursor, static_cast<long>(certificate.size())));
  require(signer != nullptr, "reading a certificate");
  const CmsPointer cms(CMS_sign(nullptr, nullptr, nullptr, nullptr, kFlags));
  require(cms != nullptr, "preparing a CMS");
  CMS_SignerInfo* const info =
      CMS_add1_signer(cms.get(), signer.get(), key, scheme_of(key).digest, kFlags);
  // OpenSSL would put the machine's time into it.
  const TimePointer time(ASN1_TIME_set(nullptr, now));
  require(
      info != nullptr && time &&
          CMS_signed_add1_attr_by_NID(info, NID_pkcs9_signingTime, time->type, time.get(), -1) == 1,
      "describing the signer of a CMS");
  require(
      CMS_final(cms.get(), memory(document).get(), nullptr, kFlags & ~unsigned{CMS_PARTIAL}) == 1,
      "signing a CMS");
  unsigned char* raw = nullptr;
  const int size = i2d_CMS_ContentInfo(cms.get(), &raw);
  require(size > 0, "encoding a CMS");
  const std::unique_ptr<unsigned char, void (*)(unsigned char*)> owner(
      raw, [](unsigned char* octets) { OPENSSL_free(octets); });
  return {raw, raw + size};
}

std::string to_base64(OctetView octets) {
  std::string text((octets.size() + 2) / 3 * 4 + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), octets.data(),
                                   static_cast<int>(octets.size()));
  text.resize(static_cast<std::size_t>(size));
  return text;
}

Octets from_base64(const std::string& text) {
  Octets octets(text.size() / 4 * 3);
  const int size =
      EVP_DecodeBlock(octets.data(), reinterpret_cast<const unsigned char*>(text.data()),
                      static_cast<int>(text.size()));
  // EVP_DecodeBlock takes "=" for zero bits, and counts the octets of the padding.
  const std::size_t padding = text.size() - text.find_last_not_of('=') - 1;
  if (size < 0 || text.size() % 4 != 0 || (!text.empty() && padding > 2)) {
    throw Failure("the document is not base64 with padding");
  }
  octets.resize(text.empty() ? 0 : static_cast<std::size_t>(size) - padding);
  return octets;
}

}  // namespace authority
