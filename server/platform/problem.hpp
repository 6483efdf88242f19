// problem.hpp: how the API says no (RFC 9457). Services throw a Problem; server/api renders it and
// serves a page about each kind. Knows nothing of HTTP but the status numbers.
#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace server {

// Every problem there is. API clients act on these: a kind is never removed or given another
// meaning.
enum class ProblemKind : std::uint8_t {
  // what was sent is no request that we understand
  invalid_request,
  unsupported_media_type,
  payload_too_large,
  header_too_large,
  request_timeout,
  not_found,  // unknown ids and those of others, byte for byte the same
  method_not_allowed,
  value_out_of_range,
  version_mismatch,
  // who asks
  client_certificate_unknown,
  client_certificate_revoked,
  institution_disabled,
  role_missing,
  token_missing,
  token_invalid,  // whatever is wrong with it
  token_in_url,
  // retries
  idempotency_key_missing,
  idempotency_key_invalid,
  idempotency_key_reused,
  idempotency_in_progress,
  query_in_progress,
  // registering a consent
  service_unknown,
  evidence_malformed,
  evidence_certificate_unsupported,
  evidence_certificate_not_valid,
  evidence_signature_mismatch,
  evidence_certificate_revoked,
  evidence_document_mismatch,
  evidence_outside_window,
  evidence_replayed,
  // using one
  consent_pending,
  consent_rejected,
  consent_not_yet_valid,
  consent_withdrawn,
  consent_expired,
  consent_superseded,
  scope_not_granted,
  match_not_enabled,
  match_budget_exhausted,
  // the feed
  cursor_invalid,
  cursor_expired,
  feed_epoch_changed,
  too_many_waiters,
  // us
  rate_limited,
  status_stale,
  authority_unavailable,
  database_unavailable,
  overloaded,
  internal_error,
};

enum class Retryable : std::uint8_t { no, yes };

struct ProblemType {
  ProblemKind kind;
  std::string_view slug;  // "consent-withdrawn": in `type` and `code`
  unsigned status;
  Retryable retryable;
  std::string_view title;  // English, one line
  std::string_view
      action;  // what the client does: "fix_request", "retry_later", "reissue_token", …
};

[[nodiscard]] const ProblemType& problem_type(ProblemKind kind);
[[nodiscard]] std::span<const ProblemType> problem_types();

// One fault of a request: where (JSON pointer, RFC 6901, or the name of a parameter), what.
struct FieldFault {
  std::string pointer;
  std::string code;    // "missing", "unknown_member", "wrong_type", "too_long", "out_of_range", …
  std::string detail;  // for people; never the value that was sent
};

class Problem : public std::exception {
 public:
  explicit Problem(ProblemKind kind, std::string detail = {}, std::vector<FieldFault> faults = {})
      : kind_(kind), detail_(std::move(detail)), faults_(std::move(faults)) {}

  [[nodiscard]] ProblemKind kind() const { return kind_; }
  [[nodiscard]] const std::string& detail() const { return detail_; }  // for people
  [[nodiscard]] const std::vector<FieldFault>& faults() const { return faults_; }
  [[nodiscard]] std::optional<std::chrono::seconds> retry_after() const { return retry_after_; }
  Problem& retry_after(std::chrono::seconds wait) {
    retry_after_ = wait;
    return *this;
  }
  [[nodiscard]] const char* what() const noexcept override {
    return problem_type(kind_).slug.data();  // a literal, so it ends with a zero
  }

 private:
  ProblemKind kind_;
  std::string detail_;
  std::vector<FieldFault> faults_;
  std::optional<std::chrono::seconds> retry_after_;
};

}  // namespace server
