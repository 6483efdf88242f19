// Upstream: what J-LIS answers a platform operator: registration and withdrawal of consents, and
// the question for the latest four items. The real interface is under a non-disclosure agreement;
// this protocol is ours (PROTOCOL.md). Transport and mutual TLS belong to others: who calls is
// trusted.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "authority/country.hpp"

namespace authority {

class Upstream {
 public:
  struct Response {
    int status = 200;  // of HTTP
    nlohmann::json body;
  };

  // The country must outlive it. The moment of every answer is the country's now().
  explicit Upstream(Country& country);

  // `target` is a path with an optional query; `body` is null if the request has none. Never
  // throws on what a caller may send: an unknown path is 404, another method 405, a body that does
  // not make sense 400.
  [[nodiscard]] Response answer(std::string_view method, std::string_view target,
                                const nlohmann::json& body);

 private:
  // A signing certificate that somebody names by issuer key hash and serial.
  struct Named {
    std::size_t authority = 0;
    const IssuedCertificate* issued = nullptr;
  };

  [[nodiscard]] Named named(const nlohmann::json& certificate) const;
  [[nodiscard]] Response register_consent(const nlohmann::json& body);
  [[nodiscard]] Response consent(std::string_view id) const;
  [[nodiscard]] Response withdraw(std::string_view id);
  [[nodiscard]] Response withdrawals(std::string_view query) const;
  [[nodiscard]] Response four_information(const nlohmann::json& body) const;
  [[nodiscard]] Response latest(const Named& asked, const nlohmann::json& items) const;

  Country& country_;
  // SHA-1 and SHA-256 of each authority's public key, as OCSP's issuerKeyHash, in hexadecimal.
  std::map<std::string, std::size_t, std::less<>> by_key_hash_;
};

}  // namespace authority
