#include "server/issuer_set.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "server/log.hpp"

namespace server {
namespace {

// What is wrong with a responder, in words that say what to do.
std::string explain(const pki::Error& error, const ServedIssuer& issuer,
                    const ResponderConfig& config, const pki::Certificate& certificate) {
  const std::string file = config.certificate.string();
  switch (error.code) {
    case pki::Errc::expired:
      return fmt::format("{}: the responder certificate expired at {}", file,
                         pki::to_string(certificate.not_after));
    case pki::Errc::not_yet_valid:
      return fmt::format("{}: the responder certificate is not yet valid; it begins at {}", file,
                         pki::to_string(certificate.not_before));
    case pki::Errc::key_usage:
      return fmt::format(
          "{}: the responder certificate may not answer for {}: it needs the extended key usage "
          "OCSPSigning and, if it has a key usage, digitalSignature",
          file, issuer.config.name);
    case pki::Errc::issuer_mismatch:
    case pki::Errc::bad_signature:
      return fmt::format(
          "{}: the responder certificate was not issued by the key of {}; if clients trust it by "
          "configuration of their own, say `trusted = true`",
          file, issuer.config.certificate.string());
    default: return fmt::format("{}: {}", file, pki::to_string(error));
  }
}

// The responder of one issuer: a new one, or one that an issuer before it already uses.
std::size_t add_responder(IssuerSet& set, const ServedIssuer& issuer, const ResponderConfig& config,
                          pki::Time now) {
  auto loaded = load_certificate(config.certificate);
  const pki::Certificate& certificate = loaded->certificate;
  const auto kind =
      pki::check_responder(certificate, issuer.certificate->certificate, now, config.trusted);
  if (!kind) throw CredentialError(explain(kind.error(), issuer, config, certificate));
  if (*kind == pki::ResponderKind::delegated && !certificate.ocsp_nocheck) {
    log(Level::warning, "responder_without_nocheck",
        {{"file", config.certificate.string()},
         {"meaning", "clients may ask for the status of the responder certificate itself"}});
  }
  pki::Signer signer = load_signer(config.key);
  const auto key = pki::PublicKey::parse(certificate.spki);
  if (!key || !signer.matches(*key)) {
    throw CredentialError(fmt::format("{}: this private key does not belong to the certificate {}",
                                      config.key.string(), config.certificate.string()));
  }
  pki::ResponderId id = config.id == ResponderIdForm::by_key
                            ? pki::ResponderId::by_key(certificate)
                            : pki::ResponderId::by_name(certificate);
  for (std::size_t i = 0; i < set.responders.size(); ++i) {
    Responder& other = set.responders[i];
    if (!pki::equal(other.certificate->der, loaded->der) || other.id.der != id.der) continue;
    if (*kind != pki::ResponderKind::issuer) other.sends_certificate = true;
    return i;
  }
  set.responders.push_back(
      {std::move(loaded), std::move(signer), std::move(id), *kind != pki::ResponderKind::issuer});
  return set.responders.size() - 1;
}

// The address that answers may name.
std::string public_url(const std::vector<std::string>& sources, const std::string& manifest) {
  if (sources.size() != 1 || !manifest.empty()) return {};
  const std::string& url = sources.front();
  const bool is_http = url.starts_with("http://") || url.starts_with("https://");
  const bool is_for_everybody =
      std::ranges::all_of(url, [](char c) { return c > ' ' && c < 0x7F && c != '@' && c != '?'; });
  return is_http && is_for_everybody ? url : std::string();
}

}  // namespace

std::optional<std::size_t> IssuerSet::find(const pki::CertId& id) const {
  for (std::size_t i = 0; i < issuers.size(); ++i) {
    if (issuers[i].hashes.match(id)) return i;
  }
  return std::nullopt;
}

std::optional<std::size_t> IssuerSet::find(std::string_view name) const {
  for (std::size_t i = 0; i < issuers.size(); ++i) {
    if (issuers[i].config.name == name) return i;
  }
  return std::nullopt;
}

IssuerSet load_issuers(const Config& config, pki::Time now) {
  IssuerSet set;
  std::vector<std::string> faults;
  for (const IssuerConfig& issuer : config.issuers) {
    try {
      auto certificate = load_certificate(issuer.certificate);
      if (config.ocsp && !issuer.responder) {
        throw CredentialError(fmt::format(
            "{}: issuer {} has no [issuers.responder]; `serve` needs its certificate and key",
            config.path.string(), issuer.name));
      }
      for (const ServedIssuer& other : set.issuers) {
        const pki::Certificate& a = other.certificate->certificate;
        const pki::Certificate& b = certificate->certificate;
        if (pki::equal(a.subject, b.subject) && pki::equal(a.spki, b.spki)) {
          throw CredentialError(fmt::format("{} is the same issuer as `{}`: one name and one key",
                                            issuer.certificate.string(), other.config.name));
        }
      }
      ServedIssuer served{issuer,
                          certificate,
                          pki::IssuerHashes(certificate->certificate),
                          0,
                          public_url(issuer.crl, issuer.crl_manifest),
                          public_url(issuer.delta_crl, issuer.delta_crl_manifest)};
      if (config.ocsp) served.responder = add_responder(set, served, *issuer.responder, now);
      set.issuers.push_back(std::move(served));
    } catch (const std::exception& error) {
      faults.push_back(fmt::format("issuer {}: {}", issuer.name, error.what()));
    }
  }
  if (!faults.empty()) throw ConfigError(faults);
  return set;
}

}  // namespace server
