#include "server/platform/evidence.hpp"

#include <algorithm>

#include "libpki/cms.hpp"
#include "libpki/jpki_profile.hpp"
#include "server/platform/problem.hpp"

namespace server {
namespace {

using pki::Errc;

std::vector<std::uint8_t> sha256(pki::Bytes data) {
  return pki::to_vector(pki::digest(pki::DigestAlgorithm::sha256, data).bytes());
}

[[noreturn]] void fail_with(ProblemKind kind, const pki::Error& error) {
  throw Problem(kind, std::string(pki::explain(error.code)));
}

// What a CMS is not, or what does not fit to the document.
ProblemKind kind_of_cms_fault(Errc code) {
  const bool is_about_signature = code == Errc::bad_signature || code == Errc::document_mismatch;
  return is_about_signature ? ProblemKind::evidence_signature_mismatch
                            : ProblemKind::evidence_malformed;
}

// The certificate that is said to have signed, as DER.
std::vector<std::uint8_t> signing_certificate(const Evidence& evidence) {
  if (evidence.format == "raw") return evidence.certificate;
  auto certificate = pki::cms_signer_certificate(evidence.cms);
  if (!certificate) fail_with(ProblemKind::evidence_malformed, certificate.error());
  return *std::move(certificate);
}

// By the certificate that was looked at before, whose bytes `der` are.
void check_signature(const Evidence& evidence, const pki::Certificate& certificate,
                     pki::Bytes der) {
  if (evidence.format == "raw") {
    if (!pki::verify_document_signature(certificate, evidence.document, evidence.signature)) {
      throw Problem(ProblemKind::evidence_signature_mismatch);
    }
    return;
  }
  const auto signer = pki::verify_detached_cms(evidence.cms, evidence.document);
  if (!signer) fail_with(kind_of_cms_fault(signer.error().code), signer.error());
  if (!pki::equal(signer->certificate, der)) {
    throw Problem(ProblemKind::evidence_signature_mismatch);
  }
}

// A certificate that is good now, and a consent of before or after its time: then it is the time
// that is likely wrong.
void check_validity(const pki::Certificate& certificate, pki::Time consented_at, pki::Time now) {
  constexpr ProblemKind kKind = ProblemKind::evidence_certificate_not_valid;
  if (!certificate.is_valid_at(now)) {
    throw Problem(kKind, now < certificate.not_before ? "The certificate has not begun yet."
                                                      : "The certificate has ended.");
  }
  if (certificate.is_valid_at(consented_at)) return;
  const bool is_before = consented_at < certificate.not_before;
  const std::string what =
      is_before ? "lies before the certificate's beginning" : "lies after the certificate's end";
  throw Problem(kKind, "consented_at " + what + ".", {{"/consented_at", "out_of_range", what}});
}

// The lists in force must know the certificate as good. Doubt is no answer.
void check_status(const IssuerSnapshot& known, pki::Bytes serial, pki::Time now) {
  if (!known.lists) throw Problem(ProblemKind::status_stale, "there are no lists of this issuer");
  const pki::SerialKey key = pki::SerialKey::from_der(serial);
  const pki::Generation& lists = known.lists->view;
  const pki::Finding finding = lists.find(key);
  if (now >= lists.freshness(finding).end) throw Problem(ProblemKind::status_stale);
  if (finding.revocation) throw Problem(ProblemKind::evidence_certificate_revoked);
}

// Each member as it must be; all that differ are named at once.
void check_binding(const SignedDocument& document, const Agreement& agreement) {
  std::vector<FieldFault> faults;
  const auto expect = [&](bool is_equal, const char* pointer) {
    if (is_equal) return;
    faults.push_back({pointer, "mismatch", "what was signed differs from the request"});
  };
  expect(document.institution == agreement.institution, "/evidence/document/institution");
  expect(document.service == agreement.service, "/evidence/document/service");
  expect(document.scopes == agreement.scopes, "/evidence/document/scopes");
  expect(!document.purpose || *document.purpose == agreement.purpose, "/evidence/document/purpose");
  expect(document.notice.version == agreement.notice.version, "/evidence/document/notice/version");
  expect(document.notice.sha256 == agreement.notice.sha256, "/evidence/document/notice/sha256");
  expect(!document.notice.language || document.notice.language == agreement.notice.language,
         "/evidence/document/notice/language");
  expect(document.consented_at == agreement.consented_at, "/evidence/document/consented_at");
  if (!faults.empty()) {
    throw Problem(ProblemKind::evidence_document_mismatch,
                  "the signed document is not about this request", std::move(faults));
  }
}

}  // namespace

EvidenceChecker::EvidenceChecker(const IssuerSet& issuers, std::chrono::seconds window,
                                 ReadDocument read)
    : issuers_(issuers), window_(window), read_(std::move(read)) {
  for (const ServedIssuer& issuer : issuers.issuers) {
    watched_.push_back(watched_issuer(issuer.config.name, issuer.certificate->certificate));
  }
}

// Generations of a CA share one name: only the key tells them apart.
std::size_t EvidenceChecker::issuer_of(const pki::Certificate& certificate) const {
  for (std::size_t i = 0; i < issuers_.issuers.size(); ++i) {
    const pki::Certificate& issuer = issuers_.issuers[i].certificate->certificate;
    const bool may_be = pki::equal(certificate.issuer, issuer.subject) &&
                        (certificate.authority_key_id.empty() || issuer.subject_key_id.empty() ||
                         pki::equal(certificate.authority_key_id, issuer.subject_key_id));
    if (may_be && pki::verify_issued_by(certificate, issuer)) return i;
  }
  throw Problem(ProblemKind::evidence_certificate_unsupported,
                "none of the configured authorities issued it");
}

CheckedEvidence EvidenceChecker::check(const Evidence& evidence, const Agreement& agreement,
                                       const Snapshot& snapshot, pki::Time now) const {
  const std::vector<std::uint8_t> der = signing_certificate(evidence);
  const auto certificate = pki::parse_certificate(der);
  if (!certificate) fail_with(ProblemKind::evidence_malformed, certificate.error());

  const std::size_t issuer = issuer_of(*certificate);
  const auto& allowed = issuers_.issuers[issuer].config.consent_policies;
  const std::vector<pki::Bytes> policies(allowed.begin(), allowed.end());
  if (const auto kind = pki::check_signing_certificate(*certificate, policies); !kind) {
    fail_with(ProblemKind::evidence_certificate_unsupported, kind.error());
  }
  check_validity(*certificate, agreement.consented_at, now);
  check_signature(evidence, *certificate, der);
  check_status(snapshot.issuers.at(issuer), certificate->serial, now);

  const SignedDocument document = read_(std::string_view(
      reinterpret_cast<const char*>(evidence.document.data()), evidence.document.size()));
  check_binding(document, agreement);
  if (agreement.consented_at < now - window_ || agreement.consented_at > now + kConsentSkew) {
    throw Problem(ProblemKind::evidence_outside_window);
  }

  CheckedEvidence out;
  out.issuer = issuer;
  out.watched = watched_[issuer];
  out.serial = Redacted(pki::to_vector(certificate->serial));
  out.not_after = certificate->not_after;
  out.evidence_sha256 = sha256(evidence.document);
  out.nonce_sha256 = sha256(pki::as_bytes(document.nonce));
  return out;
}

}  // namespace server
