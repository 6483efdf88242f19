#include "server/platform/problem_body.hpp"

#include <fmt/format.h>

namespace server {

nlohmann::ordered_json problem_json(const Problem& problem, std::string_view base_url,
                                    std::string_view request_id) {
  const ProblemType& type = problem_type(problem.kind());
  const bool is_not_found = problem.kind() == ProblemKind::not_found;
  nlohmann::ordered_json out;
  out["type"] = fmt::format("{}/problems/{}", base_url, type.slug);
  out["title"] = type.title;
  out["status"] = type.status;
  out["detail"] = is_not_found ? "There is no such address or object, or it is not yours."
                  : problem.detail().empty() ? fmt::format("{}.", type.title)
                                             : problem.detail();
  if (!is_not_found && !request_id.empty()) {
    out["instance"] = fmt::format("urn:uuid:{}", request_id);
  }
  out["code"] = type.slug;
  out["retryable"] = type.retryable == Retryable::yes;
  out["action"] = type.action;
  for (const FieldFault& fault : problem.faults()) {
    out["errors"].push_back(
        {{"pointer", fault.pointer}, {"code", fault.code}, {"detail", fault.detail}});
  }
  return out;
}

}  // namespace server
