// problem_view.hpp: a Problem inside of an answer about many things, one of which failed: the
// members of RFC 9457 that do not belong to the whole request.
#pragma once

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string>

#include "server/platform/problem.hpp"

namespace server {

[[nodiscard]] inline nlohmann::ordered_json problem_result(const std::string& base_url,
                                                           const Problem& problem) {
  const ProblemType& type = problem_type(problem.kind());
  nlohmann::ordered_json out = {{"type", fmt::format("{}/problems/{}", base_url, type.slug)},
                                {"title", type.title},
                                {"status", type.status},
                                {"code", type.slug},
                                {"retryable", type.retryable == Retryable::yes},
                                {"action", type.action}};
  if (!problem.detail().empty()) out["detail"] = problem.detail();
  return out;
}

}  // namespace server
