// What is said to the authority.
#include <fmt/format.h>

#include <iterator>
#include <stdexcept>
#include <utility>

#include "libpki/bytes.hpp"
#include "libpki/serial.hpp"
#include "server/upstream/authority_protocol.hpp"

namespace server {
namespace {

constexpr std::string_view to_string(InformationItem item) {
  switch (item) {
    case InformationItem::name: return "name";
    case InformationItem::address: return "address";
    case InformationItem::birthdate: return "birthdate";
    case InformationItem::sex: return "sex";
  }
  return "";
}

// A JSON object, member by member, in memory that is wiped.
class Body {
 public:
  void text(std::string_view name, std::string_view value) {
    begin(name);
    quote(value);
  }

  void certificate(const CertificateName& certificate) {
    if (certificate.serial.reveal().empty()) {
      throw std::invalid_argument("a certificate's name has no serial number");
    }
    begin("certificate");
    const std::string hash = pki::to_hex(certificate.issuer_key_hash);
    const Redacted<std::string> serial(pki::serial_to_string(certificate.serial.reveal()));
    fmt::format_to(std::back_inserter(out_), R"({{"issuer_key_hash":"{}","serial":"{}"}})", hash,
                   serial.reveal());
  }

  void items(const std::vector<InformationItem>& items) {
    begin("items");
    char before = '[';
    for (const InformationItem item : items) {
      out_.push_back(before);
      quote(to_string(item));
      before = ',';
    }
    if (items.empty()) out_.push_back('[');
    out_.push_back(']');
  }

  [[nodiscard]] WipedString take() && {
    out_.push_back('}');
    return std::move(out_);
  }

 private:
  void begin(std::string_view name) {
    out_.push_back(out_.empty() ? '{' : ',');
    quote(name);
    out_.push_back(':');
  }

  // RFC 8259 section 7.
  void quote(std::string_view text) {
    out_.push_back('"');
    for (const char c : text) {
      if (static_cast<unsigned char>(c) < 0x20) {
        fmt::format_to(std::back_inserter(out_), "\\u{:04x}", static_cast<unsigned>(c));
        continue;
      }
      if (c == '"' || c == '\\') out_.push_back('\\');
      out_.push_back(c);
    }
    out_.push_back('"');
  }

  WipedString out_;
};

// An id in a path (RFC 3986 section 2.3): whatever it is, it stays one segment of it.
std::string escaped(std::string_view id) {
  std::string out;
  for (const char c : id) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '~';
    if (is_plain) {
      out.push_back(c);
    } else {
      fmt::format_to(std::back_inserter(out), "%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

}  // namespace

std::string_view to_string(AuthorityRequestKind kind) {
  switch (kind) {
    case AuthorityRequestKind::register_consent: return "register_consent";
    case AuthorityRequestKind::withdraw: return "withdraw";
    case AuthorityRequestKind::withdrawals: return "withdrawals";
    case AuthorityRequestKind::ask: return "ask";
    case AuthorityRequestKind::newer_certificate: return "newer_certificate";
  }
  return "";
}

AuthorityRequest consent_request(const ConsentRegistration& registration) {
  Body body;
  body.text("request_id", registration.request_id);
  body.text("institution", registration.institution);
  body.text("service", registration.service);
  body.certificate(registration.certificate);
  body.items(registration.items);
  body.text("received_at", pki::to_string(registration.received_at));
  return {AuthorityRequestKind::register_consent, AuthorityMethod::post, "/v1/consents",
          std::move(body).take()};
}

AuthorityRequest withdrawal_request(const std::string& authority_consent_id) {
  return {AuthorityRequestKind::withdraw,
          AuthorityMethod::post,
          fmt::format("/v1/consents/{}/withdrawal", escaped(authority_consent_id)),
          {}};
}

AuthorityRequest withdrawals_request(std::uint64_t after, std::uint32_t limit) {
  return {AuthorityRequestKind::withdrawals,
          AuthorityMethod::get,
          fmt::format("/v1/withdrawals?after={}&limit={}", after, limit),
          {}};
}

AuthorityRequest information_request(const InformationQuestion& question) {
  Body body;
  body.text("request_id", question.request_id);
  body.text("consent", question.authority_consent_id);
  body.certificate(question.certificate);
  body.items(question.items);
  return {AuthorityRequestKind::ask, AuthorityMethod::post, "/v1/four-information",
          std::move(body).take()};
}

AuthorityRequest certificate_request(const std::string& authority_consent_id,
                                     const CertificateName& certificate) {
  Body body;
  body.text("consent", authority_consent_id);
  body.certificate(certificate);
  return {AuthorityRequestKind::newer_certificate, AuthorityMethod::post, "/v1/newer-certificate",
          std::move(body).take()};
}

}  // namespace server
