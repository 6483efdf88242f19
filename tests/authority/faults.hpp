// Faults that were asked for: what goes wrong, where, and how often.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "authority/http_message.hpp"

namespace authority {

enum class FaultKind : std::uint8_t {
  delay,            // `value` milliseconds before the answer
  status,           // `value` is the HTTP status of an answer without a list
  truncate,         // the connection ends after `value` octets of the body
  wrong_signature,  // the list's last octet is changed
  old_list,         // the list that was published `value` publications before the newest
  drip,             // `value` octets of the body a second
  reset,            // the connection is reset after `value` octets of the body
  garbage,          // upstream only: status 200, `value` octets that are no JSON
  huge,             // upstream only: status 200, one JSON object of `value` octets
};

struct Fault {
  std::string path;  // begins so
  FaultKind kind = FaultKind::delay;
  std::uint64_t value = 0;
  std::optional<std::uint64_t> count;  // so many requests more; nothing: until cleared
};

class Faults {
 public:
  // {"path": "/crl/", "kind": "status", "value": 503, "count": 2}. Throws Failure that names what
  // is possible.
  void add(const nlohmann::json& request);
  void clear() { faults_.clear(); }

  // All faults that strike a request of this path, in the order they were added. Each has one
  // request less to strike afterwards.
  [[nodiscard]] std::vector<Fault> strike(std::string_view path);

 private:
  std::vector<Fault> faults_;
};

// Null if there is none of this kind.
[[nodiscard]] const Fault* find_fault(const std::vector<Fault>& faults, FaultKind kind);

// The effects of faults on how a response is handed over; those on its content come before.
void delay_or_break(const std::vector<Fault>& faults, Delivery& delivery);

}  // namespace authority
