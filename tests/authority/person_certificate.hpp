// A person's certificate by the JPKI profile, written octet by octet from X.690 and RFC 5280.
//
// What differs from the real ones, so that nothing can be mistaken for them: the issuer is
// O=Tashika Test, the CPS address is under .invalid, and the policies are of the test arc
// 1.2.392.200149.8.5.1.0: .20 card signing (JPKI's own test policy), and by our choice .30 card
// authentication, .40 phone signing, .50 phone authentication.
//
// Keys come from a small pool of RSA-2048 fixtures, so most people share a key with somebody; the
// authorities with P-384 give each certificate its own.
#pragma once

#include <cstdint>
#include <string>

#include "authority/authorities.hpp"
#include "authority/der_emitter.hpp"
#include "authority/four_items.hpp"
#include "authority/municipalities.hpp"
#include "authority/serial.hpp"

namespace authority {

struct CertificateContent {
  Serial serial;
  Instant not_before = 0;
  Instant not_after = 0;
  std::string common_name;  // opaque; see common_name()
  const FourItems& items;   // of signing certificates only
  const Municipality& town;
};

// The TBSCertificate holds, in this order: AKI (with issuer and serial), keyUsage, subjectAltName
// (signing) or extKeyUsage (authentication), issuerAltName, cRLDistributionPoints, policies, OCSP
// address (authentication), SKI. `public_key` is not copied. DER; the same arguments give the same
// octets.
[[nodiscard]] Octets make_person_certificate(const AuthorityDescription& authority,
                                             const CertificateContent& content,
                                             EVP_PKEY* public_key);

// As JPKI's look: of a signing certificate its moment of issue and letters, of an authentication
// certificate 14 letters and digits, the town's code, three digits and a letter.
[[nodiscard]] std::string common_name(Purpose purpose, const Serial& serial, Instant issued_at,
                                      const Municipality& town);

}  // namespace authority
