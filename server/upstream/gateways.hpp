// gateways.hpp: what the platform asks of the authority (J-LIS): to know a consent, and to answer
// for the latest four information. The authority's own interface is under a non-disclosure
// agreement: whatever it looks like, it must fit behind these two. No HTTP, no JSON, no TLS here.
#pragma once

#include <array>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "libpki/asn1_time.hpp"
#include "server/redacted.hpp"

namespace server {

// A certificate as OCSP names it.
struct CertificateName {
  std::array<std::uint8_t, 32> issuer_key_hash{};  // SHA-256, as of CertID.issuerKeyHash
  Redacted<std::vector<std::uint8_t>> serial;      // content octets of the DER INTEGER
};

enum class InformationItem : std::uint8_t { name, address, birthdate, sex };

// As the certificate has it: `map` has '1' where a substitute character stands, one digit a
// character; its length may differ from the text's.
struct MappedText {
  Redacted<std::string> text;  // UTF-8
  Redacted<std::string> map;
};

// An item that was not asked for, or that the authority did not give, is absent.
struct FourInformation {
  std::optional<MappedText> name;
  std::optional<MappedText> address;
  std::optional<Redacted<std::string>> birthdate;  // EYYYYMMDD, zeros where unknown
  std::optional<Redacted<std::string>> sex;        // "1" male, "2" female, "3" unknown
};

// The authority's considered No. Asking again gives the same.
enum class AuthorityRefusal : std::uint8_t {
  certificate_not_valid,  // at the moment when the consent was received
  not_found,              // no such signing certificate
  consent_missing,        // or of another person
  consent_withdrawn,
  consent_expired,
  item_not_consented,
};
[[nodiscard]] std::string_view to_string(AuthorityRefusal refusal);

// While the known certificate lasts, or where nothing changed. Costs nothing.
struct NoNewerInformation {};
// It has lapsed, and there is no newer one: not yet, or never again. Costs nothing.
struct AwaitingCertificate {};

// The known certificate's successor: the predecessor link.
struct NewerCertificate {
  CertificateName certificate;
  pki::Time issued_at;
};

struct ProvidedInformation {
  FourInformation items;
  NewerCertificate newer;
  pki::Time answered_at;
  std::uint32_t billable_yen = 0;
};

struct InformationQuestion {
  // Of one purpose: the same id and the same question give the same answer, billed once, however
  // often it is sent. 1 to 200 characters.
  std::string request_id;
  std::string authority_consent_id;
  CertificateName certificate;  // which the asker knows
  std::vector<InformationItem> items;
};

using InformationAnswer =
    std::variant<ProvidedInformation, NoNewerInformation, AwaitingCertificate, AuthorityRefusal>;
using CertificateAnswer =
    std::variant<NewerCertificate, NoNewerInformation, AwaitingCertificate, AuthorityRefusal>;

struct ConsentRegistration {
  std::string request_id;       // as above
  std::string institution;      // 1 to 200 octets
  std::string service;          // 1 to 200 octets
  CertificateName certificate;  // which signed the consent
  std::vector<InformationItem> items;
  pki::Time received_at;  // by the institution
};

struct RegisteredConsent {
  std::string authority_consent_id;
  pki::Time received_at;
  pki::Time reflected_at;  // at the authority: from then on it counts there
  pki::Time valid_from;
  pki::Time valid_until;  // the last second
};

enum class WithdrawalChannel : std::uint8_t { institution, own_app };

struct AuthorityWithdrawal {
  std::uint64_t sequence = 0;  // from 1, without gaps, of the whole platform
  std::string authority_consent_id;
  pki::Time at;
  WithdrawalChannel channel = WithdrawalChannel::institution;
};

struct WithdrawalPage {
  std::vector<AuthorityWithdrawal> withdrawals;  // ascending, without gaps from `after` + 1
  std::uint64_t next_after = 0;
};

// Why the authority could not be asked.
enum class AuthorityTrouble : std::uint8_t {
  unreachable,   // no address, no connection
  untrusted,     // TLS: its certificate or ours
  timeout,       // the deadline passed
  closed,        // the connection ended before the answer did
  bad_status,    // 5xx, 429 and their like
  bad_answer,    // not what the protocol says, or too large
  rejected,      // it calls our request malformed: a mistake here or there
  circuit_open,  // it failed so often that it is left alone for a while
  overloaded,    // too many questions wait for a connection here
  shutting_down,
};
[[nodiscard]] std::string_view to_string(AuthorityTrouble trouble);
// The authority is there, and this one question is what it has trouble with: the next one may do
// better, and this one again will hardly.
[[nodiscard]] constexpr bool is_about_the_question(AuthorityTrouble trouble) {
  return trouble == AuthorityTrouble::rejected || trouble == AuthorityTrouble::bad_answer;
}

// No answer. It is unknown whether the authority did what was asked: ask again later, with the same
// request_id. what() has no personal data and may be logged.
class AuthorityUnavailable : public std::runtime_error {
 public:
  AuthorityUnavailable(AuthorityTrouble reason, const std::string& text,
                       std::chrono::milliseconds retry_after)
      : std::runtime_error(text), reason_(reason), retry_after_(retry_after) {}
  [[nodiscard]] AuthorityTrouble reason() const { return reason_; }
  [[nodiscard]] std::chrono::milliseconds retry_after() const { return retry_after_; }

 private:
  AuthorityTrouble reason_;
  std::chrono::milliseconds retry_after_;
};

// Both are of one thread: the awaitables run on the thread that called. Arguments are read before
// the call returns and need not live until the answer. All throw AuthorityUnavailable, and
// system_error(operation_aborted) when cancelled.
class ConsentGateway {
 public:
  virtual ~ConsentGateway() = default;

  [[nodiscard]] virtual boost::asio::awaitable<std::variant<RegisteredConsent, AuthorityRefusal>>
  register_consent(const ConsentRegistration& registration) = 0;

  // Takes effect at once; done before, it changes nothing. The withdrawal as the authority has it.
  [[nodiscard]] virtual boost::asio::awaitable<std::variant<AuthorityWithdrawal, AuthorityRefusal>>
  withdraw(const std::string& authority_consent_id) = 0;

  // Withdrawals are not pushed. At most `limit` of them, or fewer at the gateway's choice; none:
  // there are no more for now.
  [[nodiscard]] virtual boost::asio::awaitable<WithdrawalPage> withdrawals_after(
      std::uint64_t sequence, std::uint32_t limit) = 0;
};

class FourInformationGateway {
 public:
  virtual ~FourInformationGateway() = default;

  // May cost money: billable_yen.
  [[nodiscard]] virtual boost::asio::awaitable<InformationAnswer> ask(
      const InformationQuestion& question) = 0;

  // Is there a newer certificate? No data, no fee.
  [[nodiscard]] virtual boost::asio::awaitable<CertificateAnswer> newer_certificate(
      const std::string& authority_consent_id, const CertificateName& certificate) = 0;
};

}  // namespace server
