// issuer_set.hpp: the issuers that are served and the responders that sign for them, from the
// configuration. Loaded and checked once, at start; immutable afterwards.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libpki/ocsp_response.hpp"
#include "libpki/responder.hpp"
#include "server/config.hpp"
#include "server/credentials.hpp"

namespace server {

// A key that signs, with its certificate. Issuers that name the same certificate share one.
struct Responder {
  std::shared_ptr<const LoadedCertificate> certificate;
  pki::Signer signer;  // to be cloned, one for each thread
  pki::ResponderId id;
  bool sends_certificate = true;  // not if it is the CA itself, which the client has

  // RSA and the larger curves take long enough to hold up everybody behind them.
  [[nodiscard]] bool is_slow() const {
    const pki::SignatureAlgorithm& algorithm = signer.algorithm();
    return algorithm.scheme == pki::SignatureScheme::rsa_pkcs1 ||
           (algorithm.scheme == pki::SignatureScheme::ecdsa &&
            algorithm.digest != pki::DigestAlgorithm::sha256);
  }
};

struct ServedIssuer {
  IssuerConfig config;
  std::shared_ptr<const LoadedCertificate> certificate;
  pki::IssuerHashes hashes;
  std::size_t responder = 0;  // in IssuerSet::responders, if OCSP is served

  // Where the complete list and the delta are to be had, for answers that name them. Empty where
  // there is no such address or there are several, and where it holds what is not for everybody: a
  // user, a password or a query.
  std::string crl_url;
  std::string delta_crl_url;
};

struct IssuerSet {
  std::vector<ServedIssuer> issuers;
  std::vector<Responder> responders;

  // The issuer that a CertID is of; nothing if it is none of ours. Cost: O(issuers).
  [[nodiscard]] std::optional<std::size_t> find(const pki::CertId& id) const;
  [[nodiscard]] std::optional<std::size_t> find(std::string_view name) const;
  // The one that signs for an issuer; null where OCSP is not served.
  [[nodiscard]] const Responder* responder_of(const ServedIssuer& issuer) const {
    return responders.empty() ? nullptr : &responders[issuer.responder];
  }
};

// With [ocsp], each issuer needs a responder; without it, none is loaded.
// Throws ConfigError with all faults; logs a warning for a delegated responder without nocheck.
[[nodiscard]] IssuerSet load_issuers(const Config& config, pki::Time now);

}  // namespace server
