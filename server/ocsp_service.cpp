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
  return "\"" + pki::to_hex(pki::digest(pki::DigestAlgorithm::sha256, body).bytes()) + "\"";
}

}  // namespace

OcspService::OcspService(const IssuerSet& issuers, const OcspConfig& config,
                         std::chrono::seconds clock_skew)
    : issuers_(issuers), config_(config), clock_skew_(clock_skew) {
  for (const Responder& responder : issuers.responders) {
    signers_.push_back(responder.signer.clone());
  }
}

void OcspService::adopt(std::shared_ptr<const Snapshot> snapshot) {
  if (snapshot == snapshot_) return;
  snapshot_ = std::move(snapshot);
  cache_.clear();
}

std::optional<OcspService::Answer> OcspService::answer(pki::Bytes request, std::uint32_t scope,
                                                       pki::Time now, Signing signing) {
  if (!pki::parse_request(request, request_)) return error_answer(Outcome::malformed);
  if (config_.nonce == NoncePolicy::ignore) request_.nonce.reset();
  const CacheKey key(scope, request_.request_list);
  if (!request_.nonce) {
    const CachedResponsePointer& near = cache_.find(key);
    if (near && now < near->next_update) return Answer{near->outcome, near->body, near, true};
    CachedResponsePointer found = snapshot_->responses->find(key);
    if (found && now < found->next_update) {
      cache_.insert(key, found);
      return Answer{found->outcome, found->body, found, true};
    }
  }
  Decision decision;
  if (const auto error = decide(scope, now, decision)) return error_answer(*error);
  if (signing == Signing::fast_only && issuers_.responders[decision.responder].is_slow()) {
    return std::nullopt;
  }
  return sign(decision, now, key);
}

std::optional<Outcome> OcspService::decide(std::uint32_t scope, pki::Time now, Decision& out) {
  responses_.clear();
  for (const pki::CertId& id : request_.cert_ids) {
    if (const auto error = decide_one(id, scope, now, out)) return error;
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

  const std::shared_ptr<const OpenIndex>& open = snapshot_->indexes[*number];
  if (!open) return Outcome::try_later;
  const pki::Index& index = open->index;
  const pki::Time signer_end =
      issuers_.responders[issuer.responder].certificate->certificate.not_after;
  const pki::Time next_update = std::min(index.next_update(), signer_end);
  if (now >= index.next_update() && issuer.config.stale == Stale::unauthorized) {
    return Outcome::unauthorized;
  }
  if (now >= next_update || now + clock_skew_ < index.this_update()) return Outcome::try_later;

  pki::SingleResponse single;
  single.cert_id = id.der;
  single.this_update = index.this_update();
  single.next_update = next_update;
  Outcome outcome = Outcome::revoked;
  if (const auto revocation = index.lookup(pki::SerialKey::from_der(id.serial))) {
    single.status = pki::CertStatus::revoked;
    single.revocation = *revocation;
  } else if (issuer.config.unlisted == Unlisted::good) {
    single.status = pki::CertStatus::good;
    outcome = Outcome::good;
  } else {
    single.status = pki::CertStatus::unknown;
    outcome = Outcome::unknown;
  }
  responses_.push_back(single);
  out.outcome = is_first ? outcome : graver(out.outcome, outcome);
  out.this_update = is_first ? single.this_update : std::max(out.this_update, single.this_update);
  out.next_update = is_first ? next_update : std::min(out.next_update, next_update);
  return std::nullopt;
}

OcspService::Answer OcspService::sign(const Decision& decision, pki::Time now,
                                      const CacheKey& key) {
  const Responder& responder = issuers_.responders[decision.responder];
  const pki::Bytes certificate = responder.certificate->der;
  pki::ResponseContent content;
  content.responder_id = responder.id.der;
  content.produced_at = std::max(now, decision.this_update);  // a clock may lag behind the issuer's
  content.responses = responses_;
  content.nonce = request_.nonce;
  if (responder.sends_certificate) content.certificates = {&certificate, 1};
  const auto body = writer_.write(content, signers_[decision.responder]);
  if (!body) return error_answer(Outcome::internal_error);
  if (request_.nonce) return {decision.outcome, *body, nullptr, false};

  auto response = std::make_shared<CachedResponse>();
  response->key = key.to_bytes();
  response->body = pki::to_vector(*body);
  response->outcome = decision.outcome;
  response->next_update = decision.next_update;
  response->etag = etag_of(*body);
  response->headers =
      fmt::format("Content-Type: application/ocsp-response\r\nLast-Modified: {}\r\nETag: {}\r\n",
                  http_date(decision.this_update.time_since_epoch().count()), response->etag);
  CachedResponsePointer kept = snapshot_->responses->insert(key, std::move(response));
  cache_.insert(key, kept);
  return {kept->outcome, kept->body, kept, false};
}

}  // namespace server
