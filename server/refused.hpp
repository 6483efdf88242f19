// refused.hpp: a list that must not be used, and why.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

namespace server {

// A list was refused. The text says which, why, and where: "old.crl: …". `reason` is the code's
// name, for metrics. `source` is the file or address whose very bytes are at fault, if any are.
class Refused : public std::runtime_error {
 public:
  Refused(std::string reason, const std::string& text, std::string source = {})
      : std::runtime_error(text), reason_(std::move(reason)), source_(std::move(source)) {}
  [[nodiscard]] const std::string& reason() const { return reason_; }
  [[nodiscard]] const std::string& source() const { return source_; }

 private:
  std::string reason_;
  std::string source_;
};

// What an operator has looked at and wants.
enum class LargeChange : std::uint8_t { hold_back, accept };

// A list that is right in itself but changed more than is believed unasked.
class HeldBack : public Refused {
 public:
  explicit HeldBack(const std::string& text, std::string reason = "change_limit")
      : Refused(std::move(reason), text) {}
};

}  // namespace server
