#include "libpki/responder.hpp"

#include <cstdlib>

namespace pki {

std::string_view to_string(ResponderKind kind) {
  switch (kind) {
    case ResponderKind::issuer: return "the CA itself";
    case ResponderKind::delegated: return "delegated";
    case ResponderKind::trusted: return "trusted";
  }
  std::abort();
}

Result<ResponderKind> check_responder(const Certificate& responder, const Certificate& issuer,
                                      Time now, TrustedResponder declared) {
  const char* field = "responder certificate";
  if (now < responder.not_before) return Error{Errc::not_yet_valid, 0, field};
  if (now > responder.not_after) return Error{Errc::expired, 0, field};
  if (responder.unknown_critical) return Error{Errc::unknown_critical_extension, 0, field};
  if (equal(responder.spki, issuer.spki) && equal(responder.subject, issuer.subject)) {
    // A CA certificate often allows keyCertSign and cRLSign only; RFC 6960 does not ask for more.
    return ResponderKind::issuer;
  }
  if (!responder.may_sign_data()) return Error{Errc::key_usage, 0, "responder keyUsage"};
  const Result<void> issued = verify_issued_by(responder, issuer);
  if (issued && responder.may_sign_ocsp) return ResponderKind::delegated;
  if (declared == TrustedResponder::yes) return ResponderKind::trusted;
  if (!issued) return issued.error();
  return Error{Errc::key_usage, 0, "responder extKeyUsage"};
}

IssuerHashes::IssuerHashes(const Certificate& issuer) {
  for (std::size_t i = 0; i < by_digest_.size(); ++i) {
    const auto algorithm = static_cast<DigestAlgorithm>(i);
    by_digest_[i] = {digest(algorithm, issuer.subject), digest(algorithm, issuer.key_bits)};
  }
}

bool IssuerHashes::match(const CertId& id) const {
  if (!id.digest) return false;
  const Pair& pair = by_digest_[static_cast<std::size_t>(*id.digest)];
  return equal(pair.key.bytes(), id.issuer_key_hash) &&
         equal(pair.name.bytes(), id.issuer_name_hash);
}

}  // namespace pki
