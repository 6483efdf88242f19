// evidence.hpp: is what a person signed good, and is it this very consent? The checks in their
// order, each with its own Problem. Knows no database, and keeps nothing of certificate and
// signature.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libpki/asn1_time.hpp"
#include "libpki/x509.hpp"
#include "server/issuer_set.hpp"
#include "server/platform/listed_status.hpp"
#include "server/redacted.hpp"
#include "server/snapshot.hpp"

namespace server {

struct Notice {
  std::string version;
  std::optional<std::string> language;
  std::vector<std::uint8_t> sha256;

  friend bool operator==(const Notice&, const Notice&) = default;
};

// What the person agreed to, as the request says.
struct Agreement {
  std::string institution;  // the caller's id
  std::string service;
  std::vector<std::string> scopes;  // sorted, none twice
  std::string purpose;
  Notice notice;
  pki::Time consented_at;
};

// The document that was signed: a JSON object of exactly these members (openapi.json has it as
// ConsentDocument).
struct SignedDocument {
  std::string institution;
  std::string service;
  std::vector<std::string> scopes;     // sorted, none twice
  std::optional<std::string> purpose;  // if it is there, it must be the request's
  Notice notice;
  pki::Time consented_at;
  std::string nonce;
};

struct Evidence {
  std::string format;  // "raw": all but cms; "cms": document and cms
  std::vector<std::uint8_t> document;
  std::vector<std::uint8_t> certificate;
  std::vector<std::uint8_t> signature;
  std::vector<std::uint8_t> cms;
};

// All that is kept of good evidence.
struct CheckedEvidence {
  std::size_t issuer = 0;  // in the IssuerSet
  WatchedIssuer watched;
  Redacted<std::vector<std::uint8_t>> serial;  // DER content octets
  pki::Time not_after;
  std::vector<std::uint8_t> evidence_sha256;  // of the document: a signature has many spellings
  std::vector<std::uint8_t> nonce_sha256;
};

class EvidenceChecker {
 public:
  // Reads a document's JSON; throws Problem for what is none.
  using ReadDocument = std::function<SignedDocument(std::string_view)>;

  EvidenceChecker(const IssuerSet& issuers, std::chrono::seconds window, ReadDocument read);

  // In this order, the first that fails is thrown as a Problem:
  //   evidence_malformed                what can't be read
  //   evidence_certificate_unsupported  no signing certificate of a person, or another issuer's
  //   evidence_certificate_not_valid    now, or when it was signed
  //   evidence_signature_mismatch
  //   evidence_certificate_revoked, status_stale   by the lists in force
  //   evidence_document_mismatch        names the members that differ, not what they say
  //   evidence_outside_window           consented_at
  // Replay is for the database. Cost: two signatures.
  [[nodiscard]] CheckedEvidence check(const Evidence& evidence, const Agreement& agreement,
                                      const Snapshot& snapshot, pki::Time now) const;

 private:
  [[nodiscard]] std::size_t issuer_of(const pki::Certificate& certificate) const;

  const IssuerSet& issuers_;
  const std::chrono::seconds window_;
  const ReadDocument read_;
  std::vector<WatchedIssuer> watched_;  // by issuer
};

// How far a consented_at may be ahead of our clock.
inline constexpr std::chrono::seconds kConsentSkew{60};

}  // namespace server
