// OcspDialogue: what is said between an OCSP responder and somebody who asks it about certificates
// of one authority, encoded, decoded and verified by OpenSSL (RFC 6960).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "authority/der_emitter.hpp"
#include "authority/instant.hpp"
#include "authority/openssl.hpp"
#include "authority/serial.hpp"

namespace authority {

struct StatusAnswer {
  enum class Status : std::uint8_t { good, revoked, unknown };

  Status status = Status::unknown;
  Instant revocation_date = 0;         // revoked only
  std::optional<std::uint8_t> reason;  // CRLReason; revoked only
  Instant this_update = 0;

  [[nodiscard]] bool is_hold() const;
};

class OcspDialogue {
 public:
  // CertIDs are made with `digest`. `issuer` must outlive the dialogue.
  OcspDialogue(X509* issuer, const EVP_MD* digest);

  // An OCSPRequest about all the serials, without a nonce.
  [[nodiscard]] Octets question(std::span<const Serial> serials) const;

  // What a response says of the serials, in their order. Throws Failure if the response is not
  // successful, its signature is not by the issuer or a responder the issuer certified for it, or a
  // serial is missing. The dates of certificates are not looked at: the clock is simulated.
  [[nodiscard]] std::vector<StatusAnswer> answers(std::span<const Serial> serials,
                                                  OctetView response) const;

 private:
  X509* issuer_;
  const EVP_MD* digest_;
  std::unique_ptr<X509_STORE, Deleter<X509_STORE_free>> trusted_;
};

}  // namespace authority
