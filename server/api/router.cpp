#include "server/api/router.hpp"

#include <fmt/format.h>

#include <stdexcept>

#include "server/api/request_target.hpp"

namespace server {
namespace {

constexpr std::string_view kAnything = "{}";

std::vector<std::string> split_pattern(std::string_view pattern) {
  std::vector<std::string> out;
  while (!pattern.empty()) {
    pattern.remove_prefix(1);
    const std::string_view segment = pattern.substr(0, pattern.find('/'));
    pattern.remove_prefix(segment.size());
    out.emplace_back(segment);
  }
  return out;
}

bool matches(const std::vector<std::string>& pattern, const std::vector<std::string>& path) {
  if (pattern.size() != path.size()) return false;
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (pattern[i] != kAnything && pattern[i] != path[i]) return false;
  }
  return true;
}

}  // namespace

std::string_view method_name(Method method) {
  switch (method) {
    case Method::get: return "GET";
    case Method::head: return "HEAD";
    case Method::post: return "POST";
    case Method::put: return "PUT";
    case Method::other: break;
  }
  return {};
}

Router::Router(std::vector<Route> routes) : routes_(std::move(routes)) {
  for (const Route& route : routes_) segments_.push_back(split_pattern(route.pattern));
  for (std::size_t i = 0; i < routes_.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (segments_[i] != segments_[j] || routes_[i].method != routes_[j].method) continue;
      throw std::logic_error(
          fmt::format("two routes for {} {}", method_name(routes_[i].method), routes_[i].pattern));
    }
  }
}

Router::Match Router::find(Method method, std::string_view target) const {
  Match out;
  const auto path = split_path(target);
  if (!path) return out;
  const Method wanted = method == Method::head ? Method::get : method;
  for (std::size_t i = 0; i < routes_.size(); ++i) {
    if (!matches(segments_[i], *path)) continue;
    const std::string_view name = method_name(routes_[i].method);
    out.allow += fmt::format("{}{}{}", out.allow.empty() ? "" : ", ", name,
                             routes_[i].method == Method::get ? ", HEAD" : "");
    if (routes_[i].method != wanted || out.route) continue;
    out.route = i;
    for (std::size_t s = 0; s < path->size(); ++s) {
      if (segments_[i][s] == kAnything) out.path.push_back((*path)[s]);
    }
  }
  return out;
}

}  // namespace server
