// Requests and responses as the stand-in's handlers see them, without a word of sockets.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "authority/der_emitter.hpp"

namespace authority {

struct Request {
  std::string method;
  std::string target;                         // "/control/requests?after=7"
  std::map<std::string, std::string> fields;  // names in lower case; of repeated ones the last
  std::string body;

  // The target up to the question mark.
  [[nodiscard]] std::string_view path() const;
  // Empty if there is no such field, or parameter in the query. Parameters are not unescaped.
  [[nodiscard]] std::string field(const std::string& lower_case_name) const;
  [[nodiscard]] std::string parameter(std::string_view name) const;
};

// How a response is handed over: at once and whole, unless a fault was asked for.
struct Delivery {
  enum class End { none, close, reset };

  std::chrono::milliseconds delay{0};           // before the first octet
  std::optional<std::size_t> bytes_per_second;  // of the body
  End end = End::none;                          // what happens after `end_after` octets of the body
  std::size_t end_after = 0;
};

struct Response {
  unsigned status = 200;
  std::vector<std::pair<std::string, std::string>> fields;  // all but those of framing
  // The body is `size` octets of `content` from `offset`.
  std::shared_ptr<const Octets> content;
  std::size_t offset = 0;
  std::size_t size = 0;
  Delivery delivery;

  [[nodiscard]] OctetView body() const;
};

[[nodiscard]] Response text_response(unsigned status, std::string_view media_type,
                                     std::string_view text);
[[nodiscard]] Response json_response(unsigned status, const nlohmann::json& body);

}  // namespace authority
