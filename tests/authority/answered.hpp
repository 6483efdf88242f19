// Answered: what was answered to requests that carried a request_id, so that one sent again,
// because its answer was lost, is answered the same and costs nothing more.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>

#include <nlohmann/json.hpp>

namespace authority {

class Answered {
 public:
  static constexpr std::size_t kEntriesMax = 100'000;  // the newest

  using Digest = std::array<std::uint8_t, 32>;
  struct Entry {
    Digest request{};  // SHA-256 of path and body
    int status = 0;
    nlohmann::json body;
  };

  [[nodiscard]] static Digest digest(std::string_view path, const nlohmann::json& body);

  // Null if the id is new, or forgotten.
  [[nodiscard]] const Entry* find(const std::string& request_id) const;
  void remember(const std::string& request_id, Entry entry);

 private:
  std::unordered_map<std::string, Entry> entries_;
  std::deque<std::string> order_;  // oldest first
};

}  // namespace authority
