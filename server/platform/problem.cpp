#include "server/platform/problem.hpp"

#include <array>

namespace server {
namespace {

using Kind = ProblemKind;
constexpr Retryable kNo = Retryable::no;
constexpr Retryable kYes = Retryable::yes;

constexpr std::array kTypes = {
    ProblemType{Kind::invalid_request, "invalid-request", 400, kNo,
                "The request is not well-formed", "fix_request"},
    ProblemType{Kind::unsupported_media_type, "unsupported-media-type", 415, kNo,
                "The body must be application/json", "fix_request"},
    ProblemType{Kind::payload_too_large, "payload-too-large", 413, kNo, "The body is too large",
                "fix_request"},
    ProblemType{Kind::header_too_large, "header-too-large", 431, kNo, "The header is too large",
                "fix_request"},
    ProblemType{Kind::request_timeout, "request-timeout", 408, kYes,
                "The request did not arrive in time", "retry"},
    ProblemType{Kind::not_found, "not-found", 404, kNo, "There is no such thing", "check_id"},
    ProblemType{Kind::method_not_allowed, "method-not-allowed", 405, kNo,
                "This address does not take that method", "fix_request"},
    ProblemType{Kind::value_out_of_range, "value-out-of-range", 422, kNo,
                "A value is outside of its range", "fix_request"},
    ProblemType{Kind::version_mismatch, "version-mismatch", 412, kNo,
                "It has changed since it was read", "read_again"},
    ProblemType{Kind::client_certificate_unknown, "client-certificate-unknown", 403, kNo,
                "This client certificate is not registered", "contact_operator"},
    ProblemType{Kind::client_certificate_revoked, "client-certificate-revoked", 403, kNo,
                "This client certificate was revoked", "use_other_certificate"},
    ProblemType{Kind::institution_disabled, "institution-disabled", 403, kNo,
                "This institution is disabled", "contact_operator"},
    ProblemType{Kind::role_missing, "role-missing", 403, kNo,
                "This client certificate may not do that", "use_other_certificate"},
    ProblemType{Kind::token_missing, "token-missing", 401, kNo, "A consent token is needed",
                "send_token"},
    ProblemType{Kind::token_invalid, "token-invalid", 401, kNo, "The consent token is not valid",
                "reissue_token"},
    ProblemType{Kind::token_in_url, "token-in-url", 400, kNo,
                "Tokens are not accepted in addresses", "fix_request"},
    ProblemType{Kind::idempotency_key_missing, "idempotency-key-missing", 400, kNo,
                "An Idempotency-Key is needed", "fix_request"},
    ProblemType{Kind::idempotency_key_invalid, "idempotency-key-invalid", 400, kNo,
                "The Idempotency-Key is not well-formed", "fix_request"},
    ProblemType{Kind::idempotency_key_reused, "idempotency-key-reused", 422, kNo,
                "The Idempotency-Key belongs to another request", "use_new_key"},
    ProblemType{Kind::idempotency_in_progress, "idempotency-in-progress", 409, kYes,
                "The first request with this key is still running", "retry_later"},
    ProblemType{Kind::query_in_progress, "query-in-progress", 409, kYes,
                "Another question about this consent is still running", "retry_later"},
    ProblemType{Kind::service_unknown, "service-unknown", 422, kNo,
                "There is no such service, or it has ended", "fix_request"},
    ProblemType{Kind::evidence_malformed, "evidence-malformed", 422, kNo,
                "The evidence can't be read", "fix_evidence"},
    ProblemType{Kind::evidence_certificate_unsupported, "evidence-certificate-unsupported", 422,
                kNo, "This certificate can't sign consents", "sign_again"},
    ProblemType{Kind::evidence_certificate_not_valid, "evidence-certificate-not-valid", 422, kNo,
                "The certificate is outside of its validity", "sign_again"},
    ProblemType{Kind::evidence_signature_mismatch, "evidence-signature-mismatch", 422, kNo,
                "The signature does not match", "sign_again"},
    ProblemType{Kind::evidence_certificate_revoked, "evidence-certificate-revoked", 422, kNo,
                "The certificate is revoked or held", "sign_again"},
    ProblemType{Kind::evidence_document_mismatch, "evidence-document-mismatch", 422, kNo,
                "What was signed is not what is requested", "sign_again"},
    ProblemType{Kind::evidence_outside_window, "evidence-outside-window", 422, kNo,
                "The consent was signed too long ago, or in the future", "sign_again"},
    ProblemType{Kind::evidence_replayed, "evidence-replayed", 409, kNo,
                "This evidence was used before", "sign_again"},
    ProblemType{Kind::consent_pending, "consent-pending", 409, kYes,
                "The authority has not confirmed the consent yet", "wait_for_feed"},
    ProblemType{Kind::consent_rejected, "consent-rejected", 403, kNo, "The consent was rejected",
                "ask_customer"},
    ProblemType{Kind::consent_not_yet_valid, "consent-not-yet-valid", 409, kYes,
                "The consent's term has not begun", "retry_later"},
    ProblemType{Kind::consent_withdrawn, "consent-withdrawn", 403, kNo, "The consent was withdrawn",
                "stop"},
    ProblemType{Kind::consent_expired, "consent-expired", 403, kNo, "The consent's term is over",
                "ask_customer"},
    ProblemType{Kind::consent_superseded, "consent-superseded", 403, kNo,
                "Another consent took its place", "use_other_consent"},
    ProblemType{Kind::scope_not_granted, "scope-not-granted", 403, kNo,
                "The consent covers none of these attributes", "fix_request"},
    ProblemType{Kind::match_not_enabled, "match-not-enabled", 403, kNo,
                "Matching is not enabled here", "contact_operator"},
    ProblemType{Kind::match_budget_exhausted, "match-budget-exhausted", 429, kNo,
                "Too many comparisons for this consent", "query"},
    ProblemType{Kind::cursor_invalid, "cursor-invalid", 400, kNo,
                "The cursor is not one that was given to you", "reconcile"},
    ProblemType{Kind::cursor_expired, "cursor-expired", 410, kNo,
                "What the cursor points to is not kept any more", "reconcile"},
    ProblemType{Kind::feed_epoch_changed, "feed-epoch-changed", 410, kNo,
                "The feed was restored from a backup", "reconcile"},
    ProblemType{Kind::too_many_waiters, "too-many-waiters", 429, kYes,
                "Too many requests of yours wait for changes", "retry_later"},
    ProblemType{Kind::rate_limited, "rate-limited", 429, kYes, "Too many requests", "retry_later"},
    ProblemType{Kind::status_stale, "status-stale", 503, kYes,
                "The revocation lists are too old to tell", "retry_later"},
    ProblemType{Kind::authority_unavailable, "authority-unavailable", 503, kYes,
                "The authority can't be asked now", "retry_later"},
    ProblemType{Kind::database_unavailable, "database-unavailable", 503, kYes,
                "The database can't be reached now", "retry_later"},
    ProblemType{Kind::overloaded, "overloaded", 503, kYes, "Too much is waiting already",
                "retry_later"},
    ProblemType{Kind::internal_error, "internal-error", 500, kNo, "Something went wrong here",
                "contact_operator"},
};

constexpr bool is_in_order() {
  for (std::size_t i = 0; i < kTypes.size(); ++i) {
    if (static_cast<std::size_t>(kTypes[i].kind) != i) return false;
  }
  return kTypes.size() == static_cast<std::size_t>(Kind::internal_error) + 1;
}
static_assert(is_in_order(), "one row for each kind, in the order of the enumeration");

}  // namespace

const ProblemType& problem_type(ProblemKind kind) {
  return kTypes[static_cast<std::size_t>(kind)];
}

std::span<const ProblemType> problem_types() {
  return kTypes;
}

}  // namespace server
