#include "authority/http_message.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

namespace authority {

std::string_view Request::path() const {
  return std::string_view(target).substr(0, target.find('?'));
}

std::string Request::field(const std::string& lower_case_name) const {
  const auto found = fields.find(lower_case_name);
  return found == fields.end() ? std::string() : found->second;
}

std::string Request::parameter(std::string_view name) const {
  const std::size_t question = target.find('?');
  if (question == std::string::npos) return {};
  std::string_view query = std::string_view(target).substr(question + 1);
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    const std::size_t equals = std::min(pair.find('='), pair.size());
    if (pair.substr(0, equals) != name) continue;
    return std::string(pair.substr(std::min(pair.size(), equals + 1)));
  }
  return {};
}

OctetView Response::body() const {
  if (!content) return {};
  return OctetView(*content).subspan(offset, size);
}

Response text_response(unsigned status, std::string_view media_type, std::string_view text) {
  Response response;
  response.status = status;
  response.fields.emplace_back("Content-Type", media_type);
  response.content = std::make_shared<const Octets>(text.begin(), text.end());
  response.size = text.size();
  return response;
}

Response json_response(unsigned status, const nlohmann::json& body) {
  return text_response(status, "application/json", body.dump().append("\n"));
}

}  // namespace authority
