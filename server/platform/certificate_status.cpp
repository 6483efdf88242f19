#include "server/platform/certificate_status.hpp"

#include <algorithm>

namespace server {

std::string_view name_of(Claim claim) {
  switch (claim) {
    case Claim::good: return "good";
    case Claim::held: return "held";
    case Claim::revoked: return "revoked";
    case Claim::expired: return "expired";
    case Claim::unknown: return "unknown";
  }
  return "";
}

StatusAnswer status_now(const LookedUpCertificate& looked_up, const IssuerSnapshot* known,
                        pki::Bytes serial, pki::Time now) {
  const WatchedCertificate& certificate = looked_up.certificate;
  StatusAnswer out;
  out.certificate_id = certificate.certificate_id;
  const bool has_ended = certificate.status == CertificateStatus::expired ||
                         (certificate.not_after && *certificate.not_after < now);
  const auto settled = [&](Claim otherwise) {
    if (certificate.status == CertificateStatus::revoked) {
      out.claim = Claim::revoked;
      out.revocation = certificate.revocation;
      out.as_of = looked_up.status_at;
    } else {
      out.claim = has_ended ? Claim::expired : otherwise;
    }
  };
  if (known == nullptr || !known->lists) {
    out.why_unknown = known == nullptr ? "issuer_not_served" : "lists_missing";
    settled(Claim::unknown);
    return out;
  }
  const pki::Generation& lists = known->lists->view;
  const pki::SerialKey key = pki::SerialKey::from_der(serial);
  const ListedStatus listed = listed_status(lists, known->provenance, key);
  const pki::Freshness& freshness = lists.freshness(lists.find(key));
  out.as_of = listed.as_of;
  out.crl_number = listed.crl_number;
  if (listed.status == CertificateStatus::revoked) {
    out.claim = Claim::revoked;
    out.revocation = listed.revocation;
    if (now < freshness.end) out.valid_until = freshness.due(now);
    return out;
  }
  if (now >= freshness.end) {
    out.why_unknown = "lists_stale";
    settled(Claim::unknown);
    return out;
  }
  out.valid_until = freshness.due(now);
  const bool is_held = listed.status == CertificateStatus::held;
  if (is_held && !has_ended) out.revocation = listed.revocation;
  settled(is_held ? Claim::held : Claim::good);
  return out;
}

CertificateStatusService::CertificateStatusService(Database& database, KeyRing& keys,
                                                   std::vector<WatchedIssuer> issuers,
                                                   Snapshots snapshots)
    : database_(database),
      keys_(keys),
      issuers_(std::move(issuers)),
      snapshots_(std::move(snapshots)) {}

boost::asio::awaitable<std::vector<std::optional<StatusAnswer>>> CertificateStatusService::ask(
    std::string institution_id, Question question, pki::Time now) {
  auto work = [this, institution_id = std::move(institution_id), question = std::move(question),
               now](Connection& connection) {
    Session session(connection, institution_id);
    auto found = certificates_by_id(session, question.certificate_ids);
    auto of_consents = certificates_by_consent(session, question.consent_ids);
    std::ranges::move(of_consents, std::back_inserter(found));
    const auto snapshot = snapshots_();
    std::vector<std::optional<StatusAnswer>> out(found.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      if (!found[i]) continue;
      const auto serial = keys_.open_for(session, institution_id,
                                         serial_place(found[i]->certificate.certificate_id),
                                         found[i]->serial_sealed);
      const auto issuer = std::ranges::find(issuers_, found[i]->issuer, &WatchedIssuer::key_hash) -
                          issuers_.begin();
      const bool is_served = issuer < std::ssize(issuers_);
      out[i] = status_now(
          *found[i], is_served ? &snapshot->issuers[static_cast<std::size_t>(issuer)] : nullptr,
          serial, now);
    }
    session.commit();
    return out;
  };
  co_return co_await database_.run(std::move(work));
}

}  // namespace server
