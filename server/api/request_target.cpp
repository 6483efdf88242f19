#include "server/api/request_target.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "libpki/bytes.hpp"
#include "server/platform/problem.hpp"

namespace server {
namespace {

constexpr std::size_t kSegmentsMax = 8;
constexpr std::size_t kSegmentBytesMax = 64;
constexpr std::size_t kParametersMax = 16;
constexpr std::size_t kValueBytesMax = 1024;

// What tokens and passwords are called in addresses.
constexpr std::array<std::string_view, 10> kTokenNames = {
    "access_token", "token",         "id_token", "consent_token", "refresh_token",
    "bearer",       "authorization", "jwt",      "password",      "api_key"};

bool is_unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

// %XX once, and nothing else.
std::optional<std::string> unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const auto octet = pki::from_hex(text.substr(i + 1, 2));
    if (i + 2 >= text.size() || octet.size() != 1) return std::nullopt;
    out += static_cast<char>(octet[0]);
    i += 2;
  }
  return out;
}

std::string_view origin_form(std::string_view target) {
  for (const std::string_view scheme : {"https://", "http://"}) {
    if (!target.starts_with(scheme)) continue;
    const std::size_t slash = target.find('/', scheme.size());
    return slash == std::string_view::npos ? std::string_view("/") : target.substr(slash);
  }
  return target;
}

struct Parameter {
  std::optional<std::string> name;  // nothing: not well-formed
  std::optional<std::string> value;
};

std::vector<Parameter> parameters(std::string_view target) {
  std::vector<Parameter> out;
  const std::size_t mark = target.find('?');
  if (mark == std::string_view::npos) return out;
  std::string_view rest = target.substr(mark + 1);
  while (!rest.empty()) {
    const std::string_view one = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), one.size() + 1));
    if (one.empty()) continue;
    const std::size_t equals = one.find('=');
    const bool has_value = equals != std::string_view::npos;
    out.push_back({unescape(one.substr(0, equals)),
                   has_value ? unescape(one.substr(equals + 1)) : std::optional<std::string>()});
  }
  return out;
}

std::string lower(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

bool is_plain_text(const std::string& text) {
  return pki::count_code_points(text).has_value() && std::ranges::none_of(text, [](char c) {
           return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
         });
}

// A JWS, whatever its parameter is called: its header begins with {" in base64url.
bool looks_like_token(std::string_view value) {
  return value.starts_with("eyJ") && std::ranges::count(value, '.') >= 2;
}

}  // namespace

std::optional<std::vector<std::string>> split_path(std::string_view target) {
  target = origin_form(target);
  std::string_view path = target.substr(0, target.find('?'));
  if (path.empty() || path.front() != '/') return std::nullopt;
  std::vector<std::string> out;
  while (!path.empty()) {
    path.remove_prefix(1);
    const std::string_view raw = path.substr(0, path.find('/'));
    path.remove_prefix(raw.size());
    const auto segment = unescape(raw);
    if (!segment || segment->empty() || segment->size() > kSegmentBytesMax || *segment == "." ||
        *segment == ".." || !std::ranges::all_of(*segment, is_unreserved) ||
        out.size() == kSegmentsMax) {
      return std::nullopt;
    }
    out.push_back(*segment);
  }
  return out;
}

bool has_token_in_query(std::string_view target) {
  return std::ranges::any_of(parameters(target), [](const Parameter& one) {
    return (one.name && std::ranges::find(kTokenNames, lower(*one.name)) != kTokenNames.end()) ||
           (one.value && looks_like_token(*one.value));
  });
}

std::map<std::string, std::string> read_query(std::string_view target,
                                              const std::vector<std::string>& allowed) {
  std::map<std::string, std::string> out;
  std::vector<FieldFault> faults;
  std::size_t count = 0;
  for (const Parameter& one : parameters(target)) {
    if (++count > kParametersMax) {
      faults.push_back({"", "too_many", fmt::format("at most {} parameters", kParametersMax)});
      break;
    }
    if (!one.name || std::ranges::find(allowed, *one.name) == allowed.end()) {
      // The name is told only if it is one; it may be anything.
      const bool is_name = one.name && one.name->size() <= 64 && !one.name->empty() &&
                           std::ranges::all_of(*one.name, is_unreserved);
      faults.push_back({is_name ? *one.name : "", "unknown_parameter",
                        allowed.empty()
                            ? "this address takes no parameters"
                            : fmt::format("parameters here: {}", fmt::join(allowed, ", "))});
    } else if (!one.value || one.value->size() > kValueBytesMax || !is_plain_text(*one.value)) {
      faults.push_back({*one.name, "bad_value", "must be name=value, percent-encoded UTF-8"});
    } else if (!out.emplace(*one.name, *one.value).second) {
      faults.push_back({*one.name, "duplicate_parameter", "is there twice"});
    }
  }
  if (faults.empty()) return out;
  throw Problem(ProblemKind::invalid_request, "Something is wrong with the query; see `errors`.",
                std::move(faults));
}

}  // namespace server
