// responder.hpp: who may sign OCSP answers for a CA (RFC 6960 section 4.2.2.2), and whose CertID it
// is.
#pragma once

#include <array>

#include "libpki/crypto.hpp"
#include "libpki/ocsp_request.hpp"
#include "libpki/x509.hpp"

namespace pki {

enum class ResponderKind : std::uint8_t {
  issuer,     // the CA itself
  delegated,  // a certificate with id-kp-OCSPSigning, issued by the same key of the CA
  trusted,    // any other: clients must have been told to trust it
};

[[nodiscard]] std::string_view to_string(ResponderKind kind);

// What an operator declares: that clients trust this responder by configuration of their own.
enum class TrustedResponder : std::uint8_t { no, yes };

// Decides which kind `responder` is for `issuer` at `now`, and whether it may answer at all.
// Errors: not_yet_valid, expired (of the responder); key_usage if it may not sign, or is issued by
// the CA without id-kp-OCSPSigning; issuer_mismatch or bad_signature if it is not issued by this
// key of the CA and was not declared trusted; unknown_critical_extension.
[[nodiscard]] Result<ResponderKind> check_responder(const Certificate& responder,
                                                    const Certificate& issuer, Time now,
                                                    TrustedResponder declared);

// IssuerHashes tells whether a CertID is of an issuer, in any digest that we know.
//
// Both hashes must match (RFC 6960 4.1.1): two CAs may share a name, and a CA may have several
// keys.
class IssuerHashes {
 public:
  explicit IssuerHashes(const Certificate& issuer);

  // Cost: two comparisons.
  [[nodiscard]] bool match(const CertId& id) const;

 private:
  struct Pair {
    Digest name;
    Digest key;
  };
  std::array<Pair, 4> by_digest_;  // index is the DigestAlgorithm
};

}  // namespace pki
