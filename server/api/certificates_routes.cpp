#include "server/api/certificates_routes.hpp"

#include <fmt/format.h>

#include "server/api/members.hpp"
#include "server/platform/problem.hpp"
#include "server/store/ids.hpp"

namespace server {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kQuestionsMax = 1000;
constexpr std::size_t kIdMax = 64;

nlohmann::ordered_json item(const StatusAnswer& answer) {
  nlohmann::ordered_json out = {{"certificate_id", answer.certificate_id},
                                {"status", name_of(answer.claim)}};
  if (answer.claim == Claim::unknown) out["unknown_because"] = answer.why_unknown;
  if (answer.revocation) {
    if (answer.revocation->reason != pki::Reason::absent) {
      out["reason"] = pki::to_string(answer.revocation->reason);
    }
    out["revoked_at"] = pki::to_string(answer.revocation->date);
  }
  if (answer.as_of) out["as_of"] = pki::to_string(*answer.as_of);
  if (answer.valid_until) out["valid_until"] = pki::to_string(*answer.valid_until);
  if (!answer.crl_number.empty()) out["crl_number"] = answer.crl_number;
  out["method"] = "crl";
  return out;
}

CertificateStatusService::Question read_question(const nlohmann::json& json) {
  Members body(json);
  const ListLimits limits{.max = kIdMax, .max_items = kQuestionsMax, .min_items = 0};
  CertificateStatusService::Question out;
  out.certificate_ids = body.optional_texts("certificate_ids", limits);
  out.consent_ids = body.optional_texts("consent_ids", limits);
  const std::size_t count = out.certificate_ids.size() + out.consent_ids.size();
  if (count == 0) {
    body.fault("certificate_ids", "missing", "at least one certificate or consent");
  } else if (count > kQuestionsMax) {
    body.fault("consent_ids", "too_many",
               fmt::format("{} certificates and consents at most", kQuestionsMax));
  }
  body.finish();
  return out;
}

asio::awaitable<ApiResponse> post_status(CertificateStatusService& service, ApiRequest& request) {
  const CertificateStatusService::Question question = read_question(request.body);
  const auto answers = co_await service.ask(request.caller.institution_id, question, request.now);
  nlohmann::ordered_json results = nlohmann::ordered_json::array();
  ApiResponse response;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const bool by_consent = i >= question.certificate_ids.size();
    const std::string& id = by_consent ? question.consent_ids[i - question.certificate_ids.size()]
                                       : question.certificate_ids[i];
    nlohmann::ordered_json one;
    if (answers[i]) {
      one = item(*answers[i]);
    } else {
      const ProblemType& type = problem_type(ProblemKind::not_found);
      one["problem"] = {{"code", type.slug}, {"status", type.status}};
      response.has_wrong_guess = true;
    }
    if (by_consent) one["consent_id"] = id;
    if (!by_consent && !answers[i]) one["certificate_id"] = id;
    results.push_back(std::move(one));
  }
  response.body["results"] = std::move(results);
  co_return response;
}

}  // namespace

std::vector<Route> certificates_routes(CertificateStatusService& service) {
  Route route;
  route.method = Method::post;
  route.pattern = "/v1/certificates/status";
  route.access = Route::Access::any_role;
  route.body = Route::Body::large_json;
  route.key = Route::Key::optional;
  route.answer = [&service](ApiRequest& request) { return post_status(service, request); };
  std::vector<Route> routes;
  routes.push_back(std::move(route));
  return routes;
}

}  // namespace server
