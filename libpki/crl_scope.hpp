// crl_scope.hpp: which part of an issuer's certificates a list covers (RFC 5280 5.2.5).
#pragma once

#include <array>
#include <string>

#include "libpki/extension.hpp"

namespace pki {

// Tells lists of different scope apart, and a delta's list from others: the SHA-256 of the
// IssuingDistributionPoint; zero for a complete list, which has none.
using ScopeId = std::array<std::uint8_t, 32>;

// IssuingDistributionPoint ::= SEQUENCE {
//   distributionPoint [0] DistributionPointName OPTIONAL, onlyContainsUserCerts [1] BOOLEAN DEFAULT
//   FALSE, onlyContainsCACerts [2] BOOLEAN DEFAULT FALSE, onlySomeReasons [3] ReasonFlags OPTIONAL,
//   indirectCRL [4] BOOLEAN DEFAULT FALSE, onlyContainsAttributeCerts [5] BOOLEAN DEFAULT FALSE }
struct CrlScope {
  Bytes der;                 // with tag and length; empty: the list has none and covers all
  Bytes distribution_point;  // inside [0]; empty: the list is not confined to a distribution point
  bool only_user_certificates = false;
  bool only_ca_certificates = false;

  [[nodiscard]] ScopeId id() const;
};

// Errors: those of the DER readers; indirect_crl; unsupported_scope for onlySomeReasons and
// onlyContainsAttributeCerts, which leave things open that nobody else will answer, and for user
// and CA certificates at once, of which there are none; default_encoded, empty_sequence.
[[nodiscard]] Result<CrlScope> read_scope(const Extension& extension);

// For people: "CN=Kiyose-shi CRLDP, OU=Tokyo-to, …", a URL, "user certificates", "all
// certificates".
[[nodiscard]] std::string to_string(const CrlScope& scope);

}  // namespace pki
