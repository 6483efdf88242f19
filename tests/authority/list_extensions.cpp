#include "authority/list_extensions.hpp"

#include <openssl/x509v3.h>

#include "authority/failure.hpp"

namespace authority {
namespace {

constexpr std::uint8_t kAuthorityKeyIdentifierOid[] = {0x06, 0x03, 0x55, 0x1D, 0x23};
constexpr std::uint8_t kCrlNumberOid[] = {0x06, 0x03, 0x55, 0x1D, 0x14};
constexpr std::uint8_t kDeltaIndicatorOid[] = {0x06, 0x03, 0x55, 0x1D, 0x1B};
constexpr std::uint8_t kIssuingDistributionPointOid[] = {0x06, 0x03, 0x55, 0x1D, 0x1C};
constexpr std::uint8_t kCritical[] = {0x01, 0x01, 0xFF};  // BOOLEAN TRUE

constexpr std::uint8_t kKeyIdentifierTag = 0x80;  // [0] IMPLICIT OCTET STRING
constexpr std::uint8_t kDirectoryName = 0xA4;     // [4] EXPLICIT Name

Octets key_identifier(X509* ca) {
  const ASN1_OCTET_STRING* const identifier = X509_get0_subject_key_id(ca);
  if (identifier == nullptr) {
    throw Failure(
        "the authority's certificate has no subjectKeyIdentifier, which the list must name");
  }
  const unsigned char* const data = ASN1_STRING_get0_data(identifier);
  return {data, data + ASN1_STRING_length(identifier)};
}

}  // namespace

Octets issuer_name(X509* ca) {
  unsigned char* encoded = nullptr;
  const int size = i2d_X509_NAME(X509_get_subject_name(ca), &encoded);
  require(size > 0, "encoding the issuer's name");
  Octets octets(encoded, encoded + size);
  OPENSSL_free(encoded);
  return octets;
}

Octets authority_key_identifier(X509* ca) {
  const Octets value = element(kSequence, {element(kKeyIdentifierTag, {key_identifier(ca)})});
  return element(kSequence, {kAuthorityKeyIdentifierOid, element(kOctetString, {value})});
}

Octets list_number(OctetView magnitude) {
  return element(kSequence, {kCrlNumberOid, element(kOctetString, {integer_element(magnitude)})});
}

Octets delta_indicator(OctetView base_magnitude) {
  return element(kSequence, {kDeltaIndicatorOid, kCritical,
                             element(kOctetString, {integer_element(base_magnitude)})});
}

//   IssuingDistributionPoint ::= SEQUENCE { distributionPoint [0] DistributionPointName, ... }
//   DistributionPointName ::= CHOICE { fullName [0] GeneralNames, ... }
Octets issuing_distribution_point(OctetView name) {
  const Octets full_name = element(kContext0, {element(kDirectoryName, {name})});
  const Octets value = element(kSequence, {element(kContext0, {full_name})});
  return element(kSequence,
                 {kIssuingDistributionPointOid, kCritical, element(kOctetString, {value})});
}

}  // namespace authority
