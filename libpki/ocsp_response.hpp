// ocsp_response.hpp: writing OCSPResponses (RFC 6960 section 4.2), and reading them back.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "libpki/crl.hpp"
#include "libpki/crypto.hpp"
#include "libpki/der_writer.hpp"
#include "libpki/index_reader.hpp"

namespace pki {

// OCSPResponseStatus ::= ENUMERATED                                        (RFC 6960 4.2.1)
enum class ResponseStatus : std::uint8_t {
  successful = 0,
  malformed_request = 1,
  internal_error = 2,
  try_later = 3,
  sig_required = 5,
  unauthorized = 6,
};

// "tryLater", as in the RFC.
[[nodiscard]] std::string_view to_string(ResponseStatus status);

// The five answers that are not "successful": unsigned, five bytes, constant. Lives for ever.
[[nodiscard]] Bytes error_response(ResponseStatus status);

// CertStatus ::= CHOICE { good [0] IMPLICIT NULL, revoked [1] IMPLICIT RevokedInfo,
//                         unknown [2] IMPLICIT UnknownInfo }
enum class CertStatus : std::uint8_t { good, revoked, unknown };

[[nodiscard]] std::string_view to_string(CertStatus status);

// The list that an answer is of (RFC 6960 4.4.2).
//
//   CrlID ::= SEQUENCE { crlUrl  [0] EXPLICIT IA5String OPTIONAL,
//                        crlNum  [1] EXPLICIT INTEGER OPTIONAL,
//                        crlTime [2] EXPLICIT GeneralizedTime OPTIONAL }
struct CrlId {
  Bytes url;  // where the list is to be had, in ASCII; empty: not said
  std::optional<CrlNumber> number;
  std::optional<Time> time;  // when it was made: its thisUpdate
};

// SingleResponse ::= SEQUENCE { certID CertID, certStatus CertStatus,
//   thisUpdate GeneralizedTime, nextUpdate [0] EXPLICIT GeneralizedTime OPTIONAL,
//   singleExtensions [1] EXPLICIT Extensions OPTIONAL }
struct SingleResponse {
  Bytes cert_id;  // CertID in DER, from the request
  CertStatus status = CertStatus::unknown;
  Revocation revocation;  // where status is revoked
  Time this_update;       // when the status was last known to be right: the list's, never now
  Time next_update;
  std::optional<CrlId> crl_id = {};  // never with never_issued()
  std::optional<Time> archive_cutoff =
      {};  // certificates that ended since are answered for (4.4.4)
};

// The answer for a serial that a known CA never issued: revoked since 1970, on hold (RFC 6960 2.2).
// A response that holds one says so by the extended-revoke extension (4.4.8).
[[nodiscard]] Revocation never_issued();

// Who answers. Encoded once, when the responder is loaded.
//
//   ResponderID ::= CHOICE { byName [1] Name, byKey [2] KeyHash }  -- EXPLICIT, KeyHash is SHA-1
struct ResponderId {
  std::vector<std::uint8_t> der;

  // KeyHash is SHA-1 over the BIT STRING's octets, never the key identifier (RFC 6960 4.2.1).
  [[nodiscard]] static ResponderId by_key(const Certificate& responder);
  [[nodiscard]] static ResponderId by_name(const Certificate& responder);
};

enum class ExtendedRevoke : std::uint8_t { omit, include };

struct ResponseContent {
  Bytes responder_id;  // ResponderId::der
  Time produced_at;
  std::span<const SingleResponse> responses;
  std::optional<Bytes> nonce;  // extnValue content, from the request
  ExtendedRevoke extended_revoke = ExtendedRevoke::omit;
  std::span<const Bytes> certificates;  // DER, sent along so that a client can verify
};

// Writes signed responses. One a thread; it keeps its buffers, so that it allocates nothing once
// they have grown.
class ResponseWriter {
 public:
  // A successful OCSPResponse with a BasicOCSPResponse, signed by `signer`; good until the next
  // call. nullopt if the signer fails, which a caller answers with internalError. Cost: the
  // signature and about 1.5 us.
  [[nodiscard]] std::optional<Bytes> write(const ResponseContent& content, Signer& signer);

 private:
  void write_response_data(const ResponseContent& content);
  void write_extensions(const ResponseContent& content);

  der::Writer data_;
  der::Writer out_;
};

// A response as a client sees it; views alias the input. For inspection and for tests: the
// signature is not verified.
struct OcspResponse {
  struct Single {
    Bytes cert_id;
    DigestAlgorithm digest = DigestAlgorithm::sha1;
    Bytes serial;
    CertStatus status = CertStatus::unknown;
    Revocation revocation;
    Time this_update;
    std::optional<Time> next_update;
    std::optional<CrlId> crl_id;
    std::optional<Time> archive_cutoff;
  };
  ResponseStatus status = ResponseStatus::successful;
  // The rest only if successful.
  Bytes response_data;       // ResponseData with tag and length: what is signed
  Bytes responder_key_hash;  // of byKey, else empty
  Bytes responder_name;      // of byName, else empty
  Time produced_at;
  std::vector<Single> singles;
  std::optional<Bytes> nonce;  // extnValue content
  bool extended_revoke = false;
  std::optional<SignatureAlgorithm> algorithm;
  Bytes signature;
  std::vector<Bytes> certificates;
};

// Reads a response. Errors: those of the DER readers, unsupported_version, unsupported_algorithm
// (also for a response that is not basic, or a CertID digest that we do not know), bad_reason,
// duplicate_extension, crl_number_too_long, trailing_data.
[[nodiscard]] Result<OcspResponse> parse_response(Bytes der);

}  // namespace pki
