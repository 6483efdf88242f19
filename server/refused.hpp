// refused.hpp: a list that must not be used, and why.
#pragma once

#include <stdexcept>
#include <string>

namespace server {

// A list was refused. The text says which, why, and where: "old.crl: …". `reason` is the code's
// name, for metrics.
class Refused : public std::runtime_error {
 public:
  Refused(std::string reason, const std::string& text)
      : std::runtime_error(text), reason_(std::move(reason)) {}
  [[nodiscard]] const std::string& reason() const { return reason_; }

 private:
  std::string reason_;
};

// A list that is right in itself but changed more than is believed unasked.
class HeldBack : public Refused {
 public:
  explicit HeldBack(const std::string& text) : Refused("change_limit", text) {}
};

}  // namespace server
