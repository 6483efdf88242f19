#include "authority/signed_list.hpp"

#include "authority/list_extensions.hpp"
#include "authority/repeatable_signature.hpp"
#include "authority/signatures.hpp"

namespace authority {
namespace {

constexpr std::uint8_t kVersion2[] = {0x02, 0x01, 0x01};
constexpr std::uint8_t kReasonOid[] = {0x06, 0x03, 0x55, 0x1D, 0x15};
constexpr std::uint8_t kEnumerated = 0x0A;
constexpr std::uint8_t kNoUnusedBits[] = {0x00};

void append(Octets& to, OctetView octets) {
  to.insert(to.end(), octets.begin(), octets.end());
}

OctetView magnitude_of(const Serial& serial) {
  return {serial.octets.data(), serial.size};
}

Octets encode_entry(const ListEntry& entry) {
  Octets extensions;
  if (entry.reason) {
    const Octets value = element(kEnumerated, {{&*entry.reason, 1}});
    extensions =
        element(kSequence, {element(kSequence, {kReasonOid, element(kOctetString, {value})})});
  }
  return element(kSequence, {integer_element(magnitude_of(entry.serial)),
                             time_element(entry.revocation_date), extensions});
}

// revokedCertificates, absent when there are none (RFC 5280 5.1.2.6).
Octets encode_entries(const std::vector<ListEntry>& entries) {
  if (entries.empty()) return {};
  Octets content;
  for (const ListEntry& entry : entries) append(content, encode_entry(entry));
  return element(kSequence, {content});
}

Octets encode_extensions(X509* ca, const ListContent& content) {
  const Serial number = Serial::of(content.number);
  Octets extensions = authority_key_identifier(ca);
  append(extensions, list_number(magnitude_of(number)));
  if (content.base_number) {
    const Serial base = Serial::of(*content.base_number);
    append(extensions, delta_indicator(magnitude_of(base)));
  }
  if (!content.distribution_point.empty()) {
    append(extensions, issuing_distribution_point(content.distribution_point));
  }
  return element(kContext0, {element(kSequence, {extensions})});
}

}  // namespace

Octets sign_list(const Identity& authority, const ListContent& content) {
  X509* const ca = authority.certificate.get();
  const SignatureScheme scheme = scheme_of(authority.key.get());
  const Octets tbs =
      element(kSequence, {kVersion2, scheme.algorithm_identifier, issuer_name(ca),
                          time_element(content.this_update), time_element(content.next_update),
                          encode_entries(content.entries), encode_extensions(ca, content)});
  const Octets signature = sign_repeatably(authority.key.get(), tbs);
  return element(kSequence, {tbs, scheme.algorithm_identifier,
                             element(kBitString, {kNoUnusedBits, signature})});
}

}  // namespace authority
