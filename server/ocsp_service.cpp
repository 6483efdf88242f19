#include "server/ocsp_service.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "server/http_message.hpp"

namespace server {
namespace {

OcspService::Answer error_answer(Outcome outcome) {
  const auto status = [&] {
    switch (outcome) {
      case Outcome::malformed: return pki::ResponseStatus::malformed_request;
      case Outcome::unauthorized: return pki::ResponseStatus::unauthorized;
      case Outcome::try_later: return pki::ResponseStatus::try_later;
      default: return pki::ResponseStatus::internal_error;
    }
  }();
  return {outcome, pki::error_response(status), nullptr, false};
}

// Of several answers in one response, the one that it is counted as.
Outcome graver(Outcome a, Outcome b) {
  if (a == Outcome::revoked || b == Outcome::revoked) return Outcome::revoked;
  return a == Outcome::unknown ? a : b;
}

// The strong validator of RFC 9110 8.8.3, by content, as RFC 9919 section 6 recommends.
std::string etag_of(pki::Bytes body) {
  return fmt::format("\"{}\"",
                     pki::to_hex(pki::digest(pki::DigestAlgorithm::sha256, body).bytes()));
}

// What a serial comes to.
enum class Meaning : std::uint8_t {
  good,
  revoked,
  unknown,
  never_issued,  // to be called revoked (RFC 6960 2.2)
  untold,        // can't be told for now
};

Meaning meaning_of_absence(const IssuerConfig& config, const IssuerSnapshot& known,
                           const pki::SerialKey& serial) {
  if (config.issued.empty()) {
    return config.unlisted == Unlisted::good ? Meaning::good : Meaning::unknown;
  }
  if (!known.issued) return Meaning::untold;
  if (known.issued->index.contains(serial)) return Meaning::good;
  return config.not_issued == NotIssued::revoked ? Meaning::never_issued : Meaning::unknown;
}

std::optional<pki::Time> archive_cutoff_of(const IssuerConfig& config, const Provenance& provenance,
                                           pki::Time produced_at) {
  switch (config.archive_cutoff) {
    case ArchiveCutoff::of_list: return provenance.expired_since();
    case ArchiveCutoff::fixed: return produced_at - config.archive_retention;
    default: return std::nullopt;
  }
}

pki::CertStatus status_of(Meaning meaning) {
  switch (meaning) {
    case Meaning::good: return pki::CertStatus::good;
    case Meaning::revoked:
    case Meaning::never_issued: return pki::CertStatus::revoked;
    default: return pki::CertStatus::unknown;
  }
}

Outcome outcome_of(pki::CertStatus status) {
  switch (status) {
    case pki::CertStatus::good: return Outcome::good;
    case pki::CertStatus::revoked: return Outcome::revoked;
    default: return Outcome::unknown;
  }
}

}  // namespace

OcspService::OcspService(const IssuerSet& issuers, const OcspConfig& config,
                         std::chrono::seconds clock_skew)
    : issuers_(issuers), config_(config), clock_skew_(clock_skew) {
  for (const Responder& responder : issuers.responders) {
    signers_.push_back(responder.signer.clone());
  }
}

std::optional<OcspService::Answer> OcspService::answer(pki::Bytes request, std::uint32_t scope,
                                                       pki::Time now, Signing signing) {
  if (!pki::parse_request(request, request_)) return error_answer(Outcome::malformed);
  if (config_.nonce == NoncePolicy::ignore) request_.nonce.reset();
  const CacheKey key(scope, request_.request_list);
  if (!request_.nonce) {
    const CachedResponsePointer found = find_cached(key, now);
    if (found) return Answer{found->outcome, found->body, found, true};
  }
  Decision decision;
  if (const auto error = decide(scope, now, decision)) return error_answer(*error);
  if (signing == Signing::fast_only && issuers_.responders[decision.responder].is_slow()) {
    return std::nullopt;
  }
  return sign(decision, key);
}

CachedResponsePointer OcspService::find_cached(const CacheKey& key, pki::Time now) {
  const auto is_usable = [&](const CachedResponsePointer& response) {
    return response && now < response->next_update && snapshot_->still_says(*response);
  };
  const CachedResponsePointer& near = cache_.find(key);
  if (is_usable(near)) return near;
  CachedResponsePointer shared = snapshot_->responses->find(key);
  if (!is_usable(shared)) return nullptr;
  cache_.insert(key, shared);
  return shared;
}

std::optional<Outcome> OcspService::decide(std::uint32_t scope, pki::Time now, Decision& out) {
  responses_.clear();
  answered_.clear();
  for (const pki::CertId& id : request_.cert_ids) {
    if (const auto error = decide_one(id, scope, now, out)) return error;
  }
  out.produced_at = std::max(now, out.this_update);  // a clock may lag behind the issuer's
  for (std::size_t i = 0; i < responses_.size(); ++i) {
    responses_[i].archive_cutoff =
        archive_cutoff_of(issuers_.issuers[answered_[i]].config,
                          snapshot_->issuers[answered_[i]].provenance, out.produced_at);
  }
  return std::nullopt;
}

std::optional<Outcome> OcspService::decide_one(const pki::CertId& id, std::uint32_t scope,
                                               pki::Time now, Decision& out) {
  const auto number = issuers_.find(id);
  if (!number || (scope != kEveryIssuer && scope != *number)) return Outcome::unauthorized;
  const ServedIssuer& issuer = issuers_.issuers[*number];
  const bool is_first = responses_.empty();
  // One signature covers all answers, so one responder must be entitled to all of them.
  if (!is_first && issuer.responder != out.responder) return Outcome::unauthorized;
  out.responder = issuer.responder;

  const IssuerSnapshot& known = snapshot_->issuers[*number];
  if (!known.lists) return Outcome::try_later;
  const pki::Generation& lists = known.lists->view;
  const auto serial = pki::SerialKey::from_der(id.serial);
  const pki::Finding finding = lists.find(serial);
  const pki::Freshness& freshness = lists.freshness(finding);
  const pki::Time signer_end =
      issuers_.responders[issuer.responder].certificate->certificate.not_after;
  if (now >= freshness.end && issuer.config.stale == Stale::unauthorized) {
    return Outcome::unauthorized;
  }
  if (now >= std::min(freshness.end, signer_end) || now + clock_skew_ < freshness.this_update) {
    return Outcome::try_later;
  }
  const Meaning meaning =
      finding.revocation ? Meaning::revoked : meaning_of_absence(issuer.config, known, serial);
  if (meaning == Meaning::untold) return Outcome::try_later;

  pki::SingleResponse& single = responses_.emplace_back();
  answered_.push_back(static_cast<std::uint32_t>(*number));
  single.cert_id = id.der;
  single.status = status_of(meaning);
  single.this_update = freshness.this_update;
  single.next_update = std::min(
      signer_end, finding.revocation ? freshness.due(now) : lists.freshness().absent_due(now));
  if (finding.revocation) single.revocation = *finding.revocation;
  if (meaning == Meaning::never_issued) {
    single.revocation = pki::never_issued();
    out.extended_revoke = pki::ExtendedRevoke::include;
  } else {
    name_list(issuer, known, finding, single);
  }
  const Outcome outcome = outcome_of(single.status);
  out.outcome = is_first ? outcome : graver(out.outcome, outcome);
  out.this_update = is_first ? single.this_update : std::max(out.this_update, single.this_update);
  out.next_update = is_first ? single.next_update : std::min(out.next_update, single.next_update);
  return std::nullopt;
}

void OcspService::name_list(const ServedIssuer& issuer, const IssuerSnapshot& known,
                            const pki::Finding& finding, pki::SingleResponse& single) const {
  const auto number = known.provenance.list_of(finding);
  if (!issuer.config.crl_id || !number) return;
  const pki::IndexedList& list = known.lists->view.lists()[*number];
  const std::string& url = list.base ? issuer.delta_crl_url : issuer.crl_url;
  single.crl_id = {pki::as_bytes(url), list.number, list.this_update};
}

OcspService::Answer OcspService::sign(const Decision& decision, const CacheKey& key) {
  const Responder& responder = issuers_.responders[decision.responder];
  const pki::Bytes certificate = responder.certificate->der;
  pki::ResponseContent content;
  content.responder_id = responder.id.der;
  content.produced_at = decision.produced_at;
  content.responses = responses_;
  content.nonce = request_.nonce;
  content.extended_revoke = decision.extended_revoke;
  if (responder.sends_certificate) content.certificates = {&certificate, 1};
  const auto body = writer_.write(content, signers_[decision.responder]);
  if (!body) return error_answer(Outcome::internal_error);
  if (request_.nonce) return {decision.outcome, *body, nullptr, false};
  CachedResponsePointer kept = keep(decision, key, *body);
  return {kept->outcome, kept->body, kept, false};
}

CachedResponsePointer OcspService::keep(const Decision& decision, const CacheKey& key,
                                        pki::Bytes body) {
  auto response = std::make_shared<CachedResponse>();
  response->key = key.to_bytes();
  response->body = pki::to_vector(body);
  response->outcome = decision.outcome;
  response->next_update = decision.next_update;
  response->etag = etag_of(body);
  response->headers =
      fmt::format("Content-Type: application/ocsp-response\r\nLast-Modified: {}\r\nETag: {}\r\n",
                  http_date(decision.this_update.time_since_epoch().count()), response->etag);
  std::ranges::sort(answered_);
  answered_.erase(std::ranges::unique(answered_).begin(), answered_.end());
  for (const std::uint32_t issuer : answered_) {
    response->sources.push_back({issuer, snapshot_->issuers[issuer].version});
  }
  CachedResponsePointer kept = snapshot_->responses->insert(key, std::move(response));
  cache_.insert(key, kept);
  return kept;
}

}  // namespace server
