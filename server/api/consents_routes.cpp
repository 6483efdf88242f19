#include "server/api/consents_routes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "server/api/members.hpp"
#include "server/api/strict_json.hpp"
#include "server/platform/attributes.hpp"
#include "server/platform/problem.hpp"

namespace server {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kDocumentOctets = 16 << 10;
constexpr std::size_t kCertificateOctets = 8 << 10;
constexpr std::size_t kSignatureOctets = 2 << 10;
constexpr std::size_t kCmsOctets = 64 << 10;
constexpr std::size_t kReissueMax = 1000;
constexpr const char* kDocumentPointer = "/evidence/document";

std::vector<std::string> read_scopes(Members& from) {
  auto scopes = from.texts("scopes", {.max = 32, .max_items = 4});
  for (const std::string& scope : scopes) {
    if (std::ranges::find(kAttributes, scope, &AttributeName::scope) == kAttributes.end()) {
      from.fault("scopes", "unknown_scope",
                 "one of attr:name, attr:address, attr:birthdate, attr:gender");
    }
  }
  std::ranges::sort(scopes);
  return scopes;
}

Notice read_notice(Members from) {
  return {from.text("version", {.max = 64}), from.optional_text("language", {.max = 16, .min = 2}),
          from.hex("sha256", 32)};
}

Evidence read_evidence(Members from) {
  Evidence out;
  out.format = from.choice("format", {"raw", "cms"});
  out.document = from.base64("document", kDocumentOctets);
  if (out.format == "cms") {
    out.cms = from.base64("cms", kCmsOctets);
  } else {
    out.certificate = from.base64("certificate", kCertificateOctets);
    out.signature = from.base64("signature", kSignatureOctets);
  }
  return out;
}

// Faults of the JSON itself say where in the document they are.
nlohmann::json parse_document(std::string_view text) {
  try {
    return parse_strict_json(text);
  } catch (const Problem& problem) {
    std::vector<FieldFault> faults = problem.faults();
    for (FieldFault& one : faults) one.pointer = kDocumentPointer + one.pointer;
    throw Problem(problem.kind(), problem.detail(), std::move(faults));
  }
}

NewConsentRequest read_registration(const ApiRequest& request) {
  Members body(request.body);
  NewConsentRequest out;
  out.agreement.institution = request.caller.institution_id;
  out.agreement.service = body.text("service_id", {.max = 52});
  out.agreement.scopes = read_scopes(body);
  out.agreement.purpose = body.text("purpose", {.max = 256});
  out.agreement.notice = read_notice(body.object("notice"));
  out.channel = body.choice("channel", {"own_app", "digital_auth_app", "mynaportal"});
  out.agreement.consented_at = body.time("consented_at");
  if (auto reference = body.optional_text("customer_ref", {.max = 64})) {
    out.customer_ref.emplace(std::move(*reference));
  }
  out.evidence = read_evidence(body.object("evidence"));
  body.finish();
  return out;
}

std::string etag_of(const nlohmann::ordered_json& consent) {
  return fmt::format("\"{}\"", consent.at("version").get<std::int64_t>());
}

asio::awaitable<ApiResponse> post_consent(ConsentService& service, ApiRequest& request) {
  Answer answer = co_await service.register_consent(asker_of(request), read_registration(request),
                                                    idempotent_of(request), request.now);
  ApiResponse response;
  response.status = answer.status;
  response.etag = etag_of(answer.body);
  response.location =
      fmt::format("/v1/consents/{}", answer.body.at("consent_id").get<std::string>());
  response.body = std::move(answer.body);
  co_return response;
}

asio::awaitable<ApiResponse> get_consent(ConsentService& service, ApiRequest& request) {
  ApiResponse response;
  response.body = co_await service.get(request.caller.institution_id, request.path.at(0));
  response.etag = etag_of(response.body);
  co_return response;
}

asio::awaitable<ApiResponse> get_consents(ConsentService& service, ApiRequest& request) {
  std::optional<ConsentStatus> status;
  if (const std::string name = parameter_of(request, "status"); !name.empty()) {
    status = consent_status_from(name);
    if (!status) {
      throw Problem(ProblemKind::value_out_of_range, {},
                    {{"status", "unknown_value", "not a status of consents"}});
    }
  }
  const ConsentPage page =
      co_await service.list(request.caller.institution_id, status, limit_of(request),
                            parameter_of(request, "page_token"));
  ApiResponse response;
  response.body = {{"items", page.consents}, {"next_page_token", nullptr}};
  if (!page.next_page_token.empty()) response.body["next_page_token"] = page.next_page_token;
  if (!page.resume_cursor.empty()) response.body["resume_cursor"] = page.resume_cursor;
  co_return response;
}

// `"7"` as in ETag; `*` asks for nothing.
std::optional<std::int64_t> version_of(const std::string& if_match) {
  if (if_match.empty() || if_match == "*") return std::nullopt;
  std::int64_t version = 0;
  const char* const end = if_match.data() + if_match.size() - 1;
  const bool is_quoted = if_match.size() > 2 && if_match.front() == '"' && *end == '"';
  if (!is_quoted || std::from_chars(if_match.data() + 1, end, version).ptr != end) {
    throw Problem(ProblemKind::version_mismatch);  // no version of ours: none that it could be
  }
  return version;
}

asio::awaitable<ApiResponse> post_withdrawal(ConsentService& service, ApiRequest& request) {
  Members body(request.body);
  WithdrawalRequest withdrawal;
  withdrawal.reason =
      body.choice("reason", {"withdrawn_by_subject_at_institution", "service_discontinued"});
  withdrawal.channel = body.optional_text("channel", {.max = 64});
  withdrawal.requested_at = body.optional_time("requested_at");
  body.finish();
  withdrawal.if_version = version_of(request.if_match);
  ApiResponse response;
  response.body =
      co_await service.withdraw(asker_of(request), request.path.at(0), std::move(withdrawal),
                                idempotent_of(request), request.now);
  response.etag = etag_of(response.body);
  if (response.body["status"] == "withdrawn") {
    response.body["withdrawn_at"] = response.body["status_reason"]["at"];
  }
  co_return response;
}

TokenRequest read_token_request(Members& body) {
  TokenRequest out;
  if (body.has("certificate_thumbprint")) {
    const auto octets = body.hex("certificate_thumbprint", 32);
    out.thumbprint.emplace();
    std::copy_n(octets.begin(), std::min(octets.size(), out.thumbprint->size()),
                out.thumbprint->begin());
  }
  if (body.flag("revoke_previous")) out.earlier = TokenRequest::Earlier::revoke;
  return out;
}

asio::awaitable<ApiResponse> post_token(ConsentService& service, ApiRequest& request) {
  Members body(request.body);
  TokenRequest wanted = read_token_request(body);
  body.finish();
  Answer answer =
      co_await service.new_token(asker_of(request), request.path.at(0), std::move(wanted),
                                 idempotent_of(request), request.now);
  ApiResponse response;
  response.status = answer.status;
  response.body = std::move(answer.body);
  co_return response;
}

asio::awaitable<ApiResponse> post_reissue(ConsentService& service, ApiRequest& request) {
  Members body(request.body);
  auto consent_ids = body.texts("consent_ids", {.max = 64, .max_items = kReissueMax});
  TokenRequest wanted = read_token_request(body);
  body.finish();
  Answer answer = co_await service.reissue(asker_of(request), std::move(consent_ids),
                                           std::move(wanted), idempotent_of(request), request.now);
  ApiResponse response;
  response.body = std::move(answer.body);
  co_return response;
}

}  // namespace

Asker asker_of(const ApiRequest& request) {
  return {request.caller.institution_id, request.thumbprint, request.certificate_not_after};
}

IdempotentRequest idempotent_of(const ApiRequest& request) {
  return {request.idempotency_key, pki::to_vector(pki::as_bytes(request.body_sha256))};
}

std::string parameter_of(const ApiRequest& request, const std::string& name) {
  const auto found = request.query.find(name);
  return found == request.query.end() ? std::string() : found->second;
}

std::uint32_t limit_of(const ApiRequest& request) {
  constexpr std::uint32_t kDefault = 200;
  constexpr std::uint32_t kMax = 1000;
  const std::string text = parameter_of(request, "limit");
  if (text.empty()) return kDefault;
  std::uint32_t limit = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), limit);
  if (error != std::errc{} || end != text.data() + text.size() || limit < 1 || limit > kMax) {
    throw Problem(ProblemKind::value_out_of_range, {},
                  {{"limit", "out_of_range", fmt::format("a whole number from 1 to {}", kMax)}});
  }
  return limit;
}

// Its faults are the evidence's, and point into the document.
SignedDocument read_consent_document(std::string_view json) {
  try {
    const nlohmann::json parsed = parse_document(json);
    Members document(parsed, kDocumentPointer);
    SignedDocument out;
    out.institution = document.text("institution", {.max = 64});
    out.service = document.text("service", {.max = 64});
    out.scopes = read_scopes(document);
    out.purpose = document.optional_text("purpose", {.max = 256});
    out.notice = read_notice(document.object("notice"));
    out.consented_at = document.time("consented_at");
    out.nonce = document.text("nonce", {.max = 128, .min = 16});
    document.finish();
    return out;
  } catch (const Problem& problem) {
    throw Problem(ProblemKind::evidence_malformed, "the document is no consent document",
                  problem.faults());
  }
}

std::vector<Route> consents_routes(ConsentService& service) {
  using Access = Route::Access;
  std::vector<Route> out;
  const auto add = [&](Method method, const char* pattern, Access access, Route::Key key,
                       asio::awaitable<ApiResponse> (*answer)(ConsentService&, ApiRequest&)) {
    Route& route = out.emplace_back();
    route.method = method;
    route.pattern = pattern;
    route.access = access;
    route.key = key;
    if (method == Method::post) route.body = Route::Body::json;
    route.answer = [&service, answer](ApiRequest& request) { return answer(service, request); };
  };
  add(Method::post, "/v1/consents", Access::consent_admin, Route::Key::required, post_consent);
  add(Method::get, "/v1/consents", Access::consent_admin, Route::Key::none, get_consents);
  out.back().query = {"status", "limit", "page_token"};
  add(Method::get, "/v1/consents/{}", Access::any_role, Route::Key::none, get_consent);
  // Natural idempotence: the key is taken and not needed.
  add(Method::post, "/v1/consents/{}/withdrawal", Access::consent_admin, Route::Key::optional,
      post_withdrawal);
  add(Method::post, "/v1/consents/{}/tokens", Access::consent_admin, Route::Key::optional,
      post_token);
  add(Method::post, "/v1/consent-tokens/reissue", Access::consent_admin, Route::Key::optional,
      post_reissue);
  out.back().body = Route::Body::large_json;
  return out;
}

}  // namespace server
