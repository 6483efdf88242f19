// authority_protocol.hpp: what is said to the authority and what it says, as text: the stand-in's
// protocol (tests/authority/PROTOCOL.md), which is ours. Another one means another of these files.
// Knows no sockets.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

#include "server/redacted.hpp"
#include "server/upstream/gateways.hpp"

namespace server {

// Text that may have personal data in it: its memory is wiped when it is given back. (Up to 15
// octets live in the string itself and are not; no body with data is that short.)
using WipedString = std::basic_string<char, std::char_traits<char>, WipingAllocator<char>>;

enum class AuthorityRequestKind : std::uint8_t {
  register_consent,
  withdraw,
  withdrawals,
  ask,
  newer_certificate,
};
inline constexpr std::size_t kAuthorityRequestKinds = 5;
[[nodiscard]] std::string_view to_string(AuthorityRequestKind kind);

enum class AuthorityMethod : std::uint8_t { get, post };

// Each of them may be sent again: by its request_id, or by its nature.
struct AuthorityRequest {
  AuthorityRequestKind kind = AuthorityRequestKind::ask;
  AuthorityMethod method = AuthorityMethod::post;
  std::string target;  // path and query. No personal data
  WipedString body;    // JSON, or empty
};

// An answer, whole, but not yet understood.
struct AuthorityReply {
  unsigned status = 0;
  std::string media_type;  // Content-Type as it came
  WipedString body;
};

// An answer that can't be used: bad_answer, or rejected. what() has names of members, no values.
class ReplyFault : public std::runtime_error {
 public:
  ReplyFault(AuthorityTrouble trouble, const std::string& text)
      : std::runtime_error(text), trouble_(trouble) {}
  [[nodiscard]] AuthorityTrouble trouble() const { return trouble_; }

 private:
  AuthorityTrouble trouble_;
};

[[nodiscard]] AuthorityRequest consent_request(const ConsentRegistration& registration);
[[nodiscard]] AuthorityRequest withdrawal_request(const std::string& authority_consent_id);
[[nodiscard]] AuthorityRequest withdrawals_request(std::uint64_t after, std::uint32_t limit);
[[nodiscard]] AuthorityRequest information_request(const InformationQuestion& question);
[[nodiscard]] AuthorityRequest certificate_request(const std::string& authority_consent_id,
                                                   const CertificateName& certificate);

// These read the answer to the request of the same name. Strict: JSON in UTF-8 of application/json,
// at most 16 levels deep, no member twice, types and lengths as the protocol says, status and state
// agreeing. Members that nobody knows are ignored; of the four items only those are read that were
// asked for. Throw ReplyFault.
[[nodiscard]] std::variant<RegisteredConsent, AuthorityRefusal> read_consent(
    const AuthorityReply& reply);
[[nodiscard]] std::variant<AuthorityWithdrawal, AuthorityRefusal> read_withdrawal(
    const AuthorityReply& reply);
[[nodiscard]] WithdrawalPage read_withdrawals(const AuthorityReply& reply, std::uint64_t after,
                                              std::uint32_t limit);
[[nodiscard]] InformationAnswer read_information(const AuthorityReply& reply,
                                                 const std::vector<InformationItem>& asked);
[[nodiscard]] CertificateAnswer read_certificate(const AuthorityReply& reply);

}  // namespace server
