// Upstream: what J-LIS answers a platform operator: registration and withdrawal of consents, and
// the question for the latest four items. The real interface is under a non-disclosure agreement;
// this protocol is ours (PROTOCOL.md). Transport and mutual TLS belong to others: who calls is
// trusted.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "authority/answered.hpp"
#include "authority/country.hpp"
#include "authority/person.hpp"

namespace authority {

struct Consent;

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

  // What was provided for money: {"answers": 2, "yen": 40, "by_institution": {"bank": {…}}}.
  [[nodiscard]] nlohmann::json billing() const;

  // How a certificate is named here: {"issuer_key_hash": …, "serial": …, "medium": "card"}.
  [[nodiscard]] nlohmann::json describe(const CertificateNumber& number) const;

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
  [[nodiscard]] Response four_information(const nlohmann::json& body);
  [[nodiscard]] Response newer_certificate(const nlohmann::json& body) const;
  // Acts, unless a request with this request_id was answered before.
  template <typename Act>
  [[nodiscard]] Response once(std::string_view path, const nlohmann::json& body, Act act);

  // A question about a certificate under a consent, or the refusal of it.
  struct Question {
    Named asked;
    const Consent* consent = nullptr;
    Response refusal;
    [[nodiscard]] bool is_refused() const { return consent == nullptr; }
  };
  [[nodiscard]] Question question(const nlohmann::json& body) const;

  // What is newer than a certificate: another one, or the state that there is none.
  struct Latest {
    CertificateNumber number;
    const IssuedCertificate* issued = nullptr;
    Response state;
  };
  [[nodiscard]] Latest latest(const Named& asked) const;

  Country& country_;
  Answered answered_;
  std::map<std::string, std::uint64_t> provided_;  // answers, by institution
  std::vector<std::string> key_hashes_;            // SHA-256, of each authority
  // SHA-1 and SHA-256 of each authority's public key, as OCSP's issuerKeyHash, in hexadecimal.
  std::map<std::string, std::size_t, std::less<>> by_key_hash_;
};

}  // namespace authority
