// faults.hpp: what a call refuses, as a text to compare.
#pragma once

#include <fmt/format.h>

#include <string>

#include "server/platform/problem.hpp"

// "invalid-request /a:missing /b/0:too_long", or "" if nothing was thrown.
template <class Call>
std::string problem_of(Call&& call) {
  try {
    call();
  } catch (const server::Problem& problem) {
    std::string out(server::problem_type(problem.kind()).slug);
    for (const server::FieldFault& fault : problem.faults()) {
      out += fmt::format(" {}:{}", fault.pointer, fault.code);
    }
    return out;
  }
  return {};
}
