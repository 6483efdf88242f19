// The names and extensions a revocation list is made of, as DER (RFC 5280 5.1, 5.2).
#pragma once

#include "authority/der_emitter.hpp"
#include "authority/openssl.hpp"

namespace authority {

// The subject of `ca`, which is the issuer of its lists.
[[nodiscard]] Octets issuer_name(X509* ca);

// authorityKeyIdentifier with the key identifier of `ca`; not critical (5.2.1). Throws Failure if
// the certificate has no subjectKeyIdentifier.
[[nodiscard]] Octets authority_key_identifier(X509* ca);

// cRLNumber (5.2.3; not critical) and deltaCRLIndicator (5.2.4; critical). The numbers are
// big-endian magnitudes.
[[nodiscard]] Octets list_number(OctetView magnitude);
[[nodiscard]] Octets delta_indicator(OctetView base_magnitude);

// issuingDistributionPoint (5.2.5; critical): a full name with one directoryName, `name` being the
// DER Name.
[[nodiscard]] Octets issuing_distribution_point(OctetView name);

}  // namespace authority
