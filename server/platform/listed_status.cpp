#include "server/platform/listed_status.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "libpki/crypto.hpp"

namespace server {

WatchedIssuer watched_issuer(const std::string& name, const pki::Certificate& certificate) {
  WatchedIssuer out{name, {}, {}};
  const pki::Digest key = pki::digest(pki::DigestAlgorithm::sha256, certificate.key_bits);
  std::ranges::copy(key.bytes(), out.key_hash.begin());
  const pki::Digest spki = pki::digest(pki::DigestAlgorithm::sha256, certificate.spki);
  std::ranges::copy(spki.bytes(), out.spki_hash.begin());
  return out;
}

pki::Time latest_end(const IssuerConfig& issuer, pki::Time issued_at) {
  // The mean year is 365.2425 days: with a day more, no years of the calendar are longer.
  return issued_at + std::chrono::floor<std::chrono::seconds>(
                         std::chrono::years{issuer.certificate_years_max} + std::chrono::days{1});
}

ListedStatus listed_status(const pki::Generation& lists, const Provenance& provenance,
                           const pki::SerialKey& key) {
  const pki::Finding finding = lists.find(key);
  ListedStatus out;
  if (finding.revocation) {
    const bool is_hold = finding.revocation->reason == pki::Reason::certificate_hold;
    out.status = is_hold ? CertificateStatus::held : CertificateStatus::revoked;
    out.revocation = finding.revocation;
  }
  out.as_of = lists.freshness(finding).this_update;
  if (const auto list = provenance.list_of(finding)) {
    out.crl_number = lists.lists()[*list].number.to_string();
  }
  return out;
}

CheckedStatus check_for_watch(Session& session, const WatchedIssuer& issuer,
                              const IssuerSnapshot& known, pki::Bytes serial) {
  return check_for_watch(lock_issuer(session, issuer.key_hash), issuer, known, serial);
}

CheckedStatus check_for_watch(const std::optional<IssuerPosition>& position,
                              const WatchedIssuer& issuer, const IssuerSnapshot& known,
                              pki::Bytes serial) {
  if (!position || !known.lists) {
    throw IssuerBehind(fmt::format("{}: no lists were taken in yet", issuer.name));
  }
  const pki::Generation& lists = known.lists->view;
  if (lists.number() < position->target.number) {
    throw IssuerBehind(fmt::format("{}: the lists here are generation {}, detection is at {}",
                                   issuer.name, lists.number(), position->target.number));
  }
  return {listed_status(lists, known.provenance, pki::SerialKey::from_der(serial)),
          position->checked(lists.number())};
}

bool are_lists_in_force(const Snapshot& snapshot, pki::Time now) {
  static constexpr std::chrono::hours kSkew{1};
  const auto is_in_force = [now](const pki::IndexedList& list) {
    return list.this_update <= now + kSkew && now < list.next_update;
  };
  return std::ranges::any_of(snapshot.issuers, [&](const IssuerSnapshot& issuer) {
    return issuer.lists && std::ranges::any_of(issuer.lists->view.lists(), is_in_force);
  });
}

Consequence consequence(const WatchedCertificate& certificate, const ListedStatus& listed,
                        pki::Time now) {
  const bool has_ended = certificate.not_after && *certificate.not_after < now;
  const CertificateChange change{certificate, listed.status, listed.revocation, listed.as_of,
                                 listed.crl_number};
  if (certificate.status == listed.status) {
    if (certificate.revocation == listed.revocation) return {};
    return {change, false};
  }
  if (certificate.status == CertificateStatus::revoked) return {std::nullopt, !has_ended};
  // Entries leave the list when the certificate ends, too.
  if (listed.status == CertificateStatus::good && has_ended) {
    return {CertificateChange{certificate, CertificateStatus::expired, certificate.revocation,
                              listed.as_of, listed.crl_number},
            false};
  }
  return {change, false};
}

}  // namespace server
