#include "authority/person_certificate.hpp"

#include <openssl/sha.h>

#include <array>
#include <initializer_list>
#include <memory>
#include <string_view>

#include "authority/dice.hpp"
#include "authority/repeatable_signature.hpp"
#include "authority/signatures.hpp"

namespace authority {
namespace {

constexpr std::uint8_t kBoolean = 0x01;
constexpr std::uint8_t kObjectIdentifier = 0x06;
constexpr std::uint8_t kUtf8String = 0x0C;
constexpr std::uint8_t kPrintableString = 0x13;
constexpr std::uint8_t kIa5String = 0x16;
constexpr std::uint8_t kSet = 0x31;

constexpr std::string_view kCps = "http://cps.tashika-test.invalid/cps.html";
constexpr std::string_view kOcsp = "http://ocsp.tashika-test.invalid/";

// The contents of OBJECT IDENTIFIERs.
using Oid = std::initializer_list<std::uint8_t>;
constexpr Oid kCountry{0x55, 0x04, 0x06};
constexpr Oid kLocality{0x55, 0x04, 0x07};
constexpr Oid kOrganization{0x55, 0x04, 0x0A};
constexpr Oid kOrganizationalUnit{0x55, 0x04, 0x0B};
constexpr Oid kCommonName{0x55, 0x04, 0x03};
constexpr Oid kSubjectKeyIdentifier{0x55, 0x1D, 0x0E};
constexpr Oid kKeyUsage{0x55, 0x1D, 0x0F};
constexpr Oid kSubjectAltName{0x55, 0x1D, 0x11};
constexpr Oid kIssuerAltName{0x55, 0x1D, 0x12};
constexpr Oid kDistributionPoints{0x55, 0x1D, 0x1F};
constexpr Oid kPolicies{0x55, 0x1D, 0x20};
constexpr Oid kAuthorityKeyIdentifier{0x55, 0x1D, 0x23};
constexpr Oid kExtendedKeyUsage{0x55, 0x1D, 0x25};
constexpr Oid kAuthorityInfoAccess{0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01, 0x01};
constexpr Oid kOcspMethod{0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01};
constexpr Oid kCpsQualifier{0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x02, 0x01};
constexpr Oid kClientAuth{0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02};
// 1.2.392.200149.8.5, and under it .5.x the items, .1.0.x the policies of the test arc.
constexpr std::array<std::uint8_t, 8> kJpki{0x2A, 0x83, 0x08, 0x8C, 0x9B, 0x55, 0x08, 0x05};

OctetView view(Oid oid) {
  return {oid.begin(), oid.size()};
}

OctetView view(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

Octets joined(std::initializer_list<OctetView> parts) {
  Octets octets;
  for (const OctetView part : parts) octets.insert(octets.end(), part.begin(), part.end());
  return octets;
}

Octets oid_element(OctetView content) {
  return element(kObjectIdentifier, {content});
}

template <typename T, auto Encode>
Octets encoded(T* object) {
  unsigned char* raw = nullptr;
  const int size = Encode(object, &raw);
  require(size > 0, "encoding a part of a certificate");
  const std::unique_ptr<unsigned char, void (*)(unsigned char*)> owner(
      raw, [](unsigned char* octets) { OPENSSL_free(octets); });
  return {raw, raw + size};
}

//   RelativeDistinguishedName ::= SET OF SEQUENCE { type, value }
Octets relative_name(Oid type, std::string_view value, std::uint8_t string_tag = kUtf8String) {
  const Octets text = element(string_tag, {view(value)});
  return element(kSet, {element(kSequence, {oid_element(view(type)), text})});
}

Octets japan() {
  return relative_name(kCountry, "JP", kPrintableString);
}

//   C=JP [, L=prefecture, L=municipality], CN
Octets subject(const AuthorityDescription& authority, const CertificateContent& content) {
  const Octets name = relative_name(kCommonName, content.common_name);
  if (authority.purpose == Purpose::authentication) return element(kSequence, {japan(), name});
  return element(kSequence, {japan(), relative_name(kLocality, content.town.prefecture),
                             relative_name(kLocality, content.town.name), name});
}

//   Extension ::= SEQUENCE { extnID, critical BOOLEAN DEFAULT FALSE, extnValue OCTET STRING }
Octets extension(Oid id, bool is_critical, OctetView value) {
  constexpr std::uint8_t kTrue[] = {0xFF};
  const Octets critical = is_critical ? element(kBoolean, {kTrue}) : Octets{};
  return element(kSequence, {oid_element(view(id)), critical, element(kOctetString, {value})});
}

// SHA-1 of the public key's BIT STRING without tag, length and unused bits (RFC 5280 4.2.1.2).
Octets key_identifier(EVP_PKEY* key) {
  Octets info = encoded<EVP_PKEY, i2d_PUBKEY>(key);
  const unsigned char* cursor = info.data();
  using InfoPointer = std::unique_ptr<X509_PUBKEY, Deleter<X509_PUBKEY_free>>;
  const InfoPointer parsed(d2i_X509_PUBKEY(nullptr, &cursor, static_cast<long>(info.size())));
  const unsigned char* bits = nullptr;
  int size = 0;
  require(parsed && X509_PUBKEY_get0_param(nullptr, &bits, &size, nullptr, parsed.get()) == 1,
          "reading a public key");
  Octets identifier(SHA_DIGEST_LENGTH);
  SHA1(bits, static_cast<std::size_t>(size), identifier.data());
  return identifier;
}

//   { [0] keyIdentifier, [1] authorityCertIssuer GeneralNames, [2] authorityCertSerialNumber }
Octets authority_key_identifier(const AuthorityDescription& authority) {
  X509* const ca = authority.identity.certificate.get();
  const Octets identifier = key_identifier(X509_get0_pubkey(ca));
  const Octets issuer = encoded<const X509_NAME, i2d_X509_NAME>(X509_get_issuer_name(ca));
  Octets serial = encoded<const ASN1_INTEGER, i2d_ASN1_INTEGER>(X509_get0_serialNumber(ca));
  serial[0] = 0x82;
  const Octets directory_name = element(0xA4, {issuer});
  const Octets value =
      element(kSequence, {element(0x80, {identifier}), element(0xA1, {directory_name}), serial});
  return extension(kAuthorityKeyIdentifier, false, value);
}

// BIT STRING: digitalSignature, and nonRepudiation for signing.
Octets key_usage(Purpose purpose) {
  constexpr std::uint8_t kSigning[] = {0x03, 0x02, 0x06, 0xC0};
  constexpr std::uint8_t kAuthentication[] = {0x03, 0x02, 0x07, 0x80};
  return extension(kKeyUsage, true, purpose == Purpose::signing ? kSigning : kAuthentication);
}

//   otherName [0] { type-id 1.2.392.200149.8.5.5.x, value [0] EXPLICIT UTF8String }
Octets other_name(std::uint8_t item, std::string_view text) {
  const std::array<std::uint8_t, 2> arc{5, item};
  const Octets type = oid_element(joined({kJpki, arc}));
  const Octets value = element(kContext0, {element(kUtf8String, {view(text)})});
  return element(kContext0, {type, value});
}

// In the order that JPKI's have: .1 .4 .3 .5 .2 .6.
Octets subject_alt_name(const FourItems& items) {
  const Octets names = joined({other_name(1, items.name), other_name(4, items.birthdate),
                               other_name(3, items.sex), other_name(5, items.address),
                               other_name(2, items.name_map), other_name(6, items.address_map)});
  return extension(kSubjectAltName, false, element(kSequence, {names}));
}

Octets extended_key_usage() {
  return extension(kExtendedKeyUsage, false, element(kSequence, {oid_element(view(kClientAuth))}));
}

//   GeneralNames { directoryName C=JP, O, OU, OU }
Octets issuer_alt_name(Purpose purpose) {
  const std::string_view unit = purpose == Purpose::signing ? "公的個人認証サービス署名用"
                                                            : "公的個人認証サービス利用者証明用";
  const Octets name = element(
      kSequence,
      {japan(), relative_name(kOrganization, "確か試験"), relative_name(kOrganizationalUnit, unit),
       relative_name(kOrganizationalUnit, "地方公共団体情報システム機構の代役")});
  return extension(kIssuerAltName, false, element(kSequence, {element(0xA4, {name})}));
}

//   { DistributionPoint { distributionPoint [0] { fullName [0] { directoryName [4] Name } } } }
Octets distribution_points(const AuthorityDescription& authority, const Municipality& town) {
  const Octets name = distribution_point_name(authority, town.prefecture, town.name);
  const Octets full_name = element(kContext0, {element(0xA4, {name})});
  const Octets point = element(kSequence, {element(kContext0, {full_name})});
  return extension(kDistributionPoints, false, element(kSequence, {point}));
}

//   { PolicyInformation { policyIdentifier, { { id-qt-cps, IA5String } } } }
Octets policies(const AuthorityDescription& authority) {
  std::uint8_t last = authority.purpose == Purpose::signing ? 20 : 30;
  if (authority.medium == Medium::phone) last = static_cast<std::uint8_t>(last + 20);
  const std::array<std::uint8_t, 3> arc{1, 0, last};
  const Octets qualifier =
      element(kSequence, {oid_element(view(kCpsQualifier)), element(kIa5String, {view(kCps)})});
  const Octets information =
      element(kSequence, {oid_element(joined({kJpki, arc})), element(kSequence, {qualifier})});
  return extension(kPolicies, true, element(kSequence, {information}));
}

Octets authority_info_access() {
  const Octets description =
      element(kSequence, {oid_element(view(kOcspMethod)), element(0x86, {view(kOcsp)})});
  return extension(kAuthorityInfoAccess, false, element(kSequence, {description}));
}

Octets subject_key_identifier(EVP_PKEY* key) {
  const Octets identifier = key_identifier(key);
  return extension(kSubjectKeyIdentifier, false, element(kOctetString, {identifier}));
}

Octets extensions(const AuthorityDescription& authority, const CertificateContent& content,
                  EVP_PKEY* key) {
  const bool is_signing = authority.purpose == Purpose::signing;
  const Octets list =
      joined({authority_key_identifier(authority), key_usage(authority.purpose),
              is_signing ? subject_alt_name(content.items) : extended_key_usage(),
              issuer_alt_name(authority.purpose), distribution_points(authority, content.town),
              policies(authority), is_signing ? Octets{} : authority_info_access(),
              subject_key_identifier(key)});
  return element(0xA3, {element(kSequence, {list})});
}

}  // namespace

Octets make_person_certificate(const AuthorityDescription& authority,
                               const CertificateContent& content, EVP_PKEY* public_key) {
  constexpr std::uint8_t kVersion3[] = {0xA0, 0x03, 0x02, 0x01, 0x02};
  EVP_PKEY* const key = authority.identity.key.get();
  X509* const ca = authority.identity.certificate.get();
  const OctetView algorithm = scheme_of(key).algorithm_identifier;
  const Octets serial =
      integer_element(OctetView(content.serial.octets).first(content.serial.size));
  const Octets issuer = encoded<const X509_NAME, i2d_X509_NAME>(X509_get_subject_name(ca));
  const Octets validity =
      element(kSequence, {time_element(content.not_before), time_element(content.not_after)});
  const Octets tbs =
      element(kSequence, {kVersion3, serial, algorithm, issuer, validity,
                          subject(authority, content), encoded<EVP_PKEY, i2d_PUBKEY>(public_key),
                          extensions(authority, content, public_key)});
  constexpr std::uint8_t kNoUnusedBits[] = {0x00};
  const Octets signature = sign_repeatably(key, tbs);
  return element(kSequence, {tbs, algorithm, element(kBitString, {kNoUnusedBits, signature})});
}

std::string common_name(Purpose purpose, const Serial& serial, Instant issued_at,
                        const Municipality& town) {
  constexpr std::string_view kLetters = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
  Dice dice(derive_seed(static_cast<std::uint64_t>(issued_at), hexadecimal(serial)));
  std::string text;
  const bool is_signing = purpose == Purpose::signing;
  if (is_signing) text = digits_of(issued_at).substr(0, 14);
  for (int i = 0; i < 14; ++i) text += dice.pick(kLetters);
  if (is_signing) return text;
  text += town.code;
  text += std::to_string(1000 + dice.below(1000)).substr(1);
  text += kLetters[static_cast<std::size_t>(dice.below(24))];
  return text;
}

}  // namespace authority
