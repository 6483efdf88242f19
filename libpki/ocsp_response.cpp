#include "libpki/ocsp_response.hpp"

#include <array>
#include <cstdlib>

#include "libpki/oid.hpp"

namespace pki {
namespace {

using der::Tag;

// OCSPResponse ::= SEQUENCE { responseStatus ENUMERATED } with nothing else.
constexpr std::array<std::uint8_t, 5> error_bytes(ResponseStatus status) {
  return {0x30, 0x03, 0x0A, 0x01, static_cast<std::uint8_t>(status)};
}
constexpr auto kMalformedRequest = error_bytes(ResponseStatus::malformed_request);
constexpr auto kInternalError = error_bytes(ResponseStatus::internal_error);
constexpr auto kTryLater = error_bytes(ResponseStatus::try_later);
constexpr auto kSigRequired = error_bytes(ResponseStatus::sig_required);
constexpr auto kUnauthorized = error_bytes(ResponseStatus::unauthorized);

// RevokedInfo ::= SEQUENCE { revocationTime GeneralizedTime,
//                            revocationReason [0] EXPLICIT CRLReason OPTIONAL }
// A reason that the list does not give is left out, rather than called "unspecified".
void write_revoked(der::Writer& out, const Revocation& revocation) {
  out.constructed(der::context_constructed(1), [&] {
    write_generalized_time(out, revocation.date);
    if (revocation.reason == Reason::absent) return;
    out.constructed(der::context_constructed(0), [&] {
      const std::uint8_t code = static_cast<std::uint8_t>(revocation.reason);
      out.primitive(Tag::enumerated, Bytes(&code, 1));
    });
  });
}

// Extension ::= SEQUENCE { extnID OBJECT IDENTIFIER, critical BOOLEAN DEFAULT FALSE,
//                          extnValue OCTET STRING }, with what `body` writes as its value
template <std::invocable Body>
void write_extension(der::Writer& out, Bytes id, Body&& body) {
  out.sequence([&] {
    out.oid(id);
    out.constructed(Tag::octet_string, std::forward<Body>(body));
  });
}

void write_crl_id(der::Writer& out, const CrlId& id) {
  const auto tagged = [&out](unsigned number, auto&& body) {
    out.constructed(der::context_constructed(number), body);
  };
  out.sequence([&] {
    if (!id.url.empty()) tagged(0, [&] { out.primitive(Tag::ia5_string, id.url); });
    if (id.number) tagged(1, [&] { out.unsigned_integer(id.number->octets()); });
    if (id.time) tagged(2, [&] { write_generalized_time(out, *id.time); });
  });
}

// singleExtensions [1] EXPLICIT Extensions OPTIONAL
void write_single_extensions(der::Writer& out, const SingleResponse& single) {
  if (!single.crl_id && !single.archive_cutoff) return;
  out.constructed(der::context_constructed(1), [&] {
    out.sequence([&] {
      if (single.crl_id) {
        write_extension(out, oid::ocsp_crl_id, [&] { write_crl_id(out, *single.crl_id); });
      }
      if (single.archive_cutoff) {
        write_extension(out, oid::ocsp_archive_cutoff,
                        [&] { write_generalized_time(out, *single.archive_cutoff); });
      }
    });
  });
}

void write_single(der::Writer& out, const SingleResponse& single) {
  out.sequence([&] {
    out.raw(single.cert_id);
    switch (single.status) {
      case CertStatus::good: out.primitive(der::context(0), {}); break;
      case CertStatus::revoked: write_revoked(out, single.revocation); break;
      case CertStatus::unknown: out.primitive(der::context(2), {}); break;
    }
    write_generalized_time(out, single.this_update);
    out.constructed(der::context_constructed(0),
                    [&] { write_generalized_time(out, single.next_update); });
    write_single_extensions(out, single);
  });
}

}  // namespace

std::string_view to_string(ResponseStatus status) {
  switch (status) {
    case ResponseStatus::successful: return "successful";
    case ResponseStatus::malformed_request: return "malformedRequest";
    case ResponseStatus::internal_error: return "internalError";
    case ResponseStatus::try_later: return "tryLater";
    case ResponseStatus::sig_required: return "sigRequired";
    case ResponseStatus::unauthorized: return "unauthorized";
  }
  std::abort();
}

std::string_view to_string(CertStatus status) {
  switch (status) {
    case CertStatus::good: return "good";
    case CertStatus::revoked: return "revoked";
    case CertStatus::unknown: return "unknown";
  }
  std::abort();
}

Bytes error_response(ResponseStatus status) {
  switch (status) {
    case ResponseStatus::malformed_request: return kMalformedRequest;
    case ResponseStatus::internal_error: return kInternalError;
    case ResponseStatus::try_later: return kTryLater;
    case ResponseStatus::sig_required: return kSigRequired;
    case ResponseStatus::unauthorized: return kUnauthorized;
    case ResponseStatus::successful: break;
  }
  std::abort();  // a successful response has content
}

Revocation never_issued() {
  return {Time{}, Reason::certificate_hold};
}

ResponderId ResponderId::by_key(const Certificate& responder) {
  der::Writer out;
  out.constructed(der::context_constructed(2), [&] {
    out.octet_string(digest(DigestAlgorithm::sha1, responder.key_bits).bytes());
  });
  return {out.take()};
}

ResponderId ResponderId::by_name(const Certificate& responder) {
  der::Writer out;
  out.constructed(der::context_constructed(1), [&] { out.raw(responder.subject); });
  return {out.take()};
}

// responseExtensions [1] EXPLICIT Extensions OPTIONAL
void ResponseWriter::write_extensions(const ResponseContent& content) {
  const bool extended = content.extended_revoke == ExtendedRevoke::include;
  if (!content.nonce && !extended) return;
  data_.constructed(der::context_constructed(1), [&] {
    data_.sequence([&] {
      if (content.nonce) {
        write_extension(data_, oid::ocsp_nonce, [&] { data_.raw(*content.nonce); });
      }
      if (extended) write_extension(data_, oid::ocsp_extended_revoke, [&] { data_.null(); });
    });
  });
}

// ResponseData ::= SEQUENCE { version [0] EXPLICIT Version DEFAULT v1, responderID ResponderID,
//   producedAt GeneralizedTime, responses SEQUENCE OF SingleResponse,
//   responseExtensions [1] EXPLICIT Extensions OPTIONAL }
void ResponseWriter::write_response_data(const ResponseContent& content) {
  data_.clear();
  data_.sequence([&] {
    data_.raw(content.responder_id);
    write_generalized_time(data_, content.produced_at);
    data_.sequence([&] {
      for (const SingleResponse& single : content.responses) write_single(data_, single);
    });
    write_extensions(content);
  });
}

// OCSPResponse ::= SEQUENCE { responseStatus OCSPResponseStatus,
//   responseBytes [0] EXPLICIT SEQUENCE { responseType OBJECT IDENTIFIER, response OCTET STRING } }
// BasicOCSPResponse ::= SEQUENCE { tbsResponseData ResponseData,
//   signatureAlgorithm AlgorithmIdentifier, signature BIT STRING,
//   certs [0] EXPLICIT SEQUENCE OF Certificate OPTIONAL }
std::optional<Bytes> ResponseWriter::write(const ResponseContent& content, Signer& signer) {
  write_response_data(content);
  const auto signature = signer.sign(data_.bytes());
  if (!signature) return std::nullopt;

  const auto write_basic = [&] {
    out_.raw(data_.bytes());
    write_signature_algorithm(out_, signer.algorithm());
    out_.bit_string(*signature);
    if (content.certificates.empty()) return;
    out_.constructed(der::context_constructed(0), [&] {
      out_.sequence([&] {
        for (const Bytes certificate : content.certificates) out_.raw(certificate);
      });
    });
  };
  out_.clear();
  out_.sequence([&] {
    constexpr std::uint8_t kSuccessful[] = {static_cast<std::uint8_t>(ResponseStatus::successful)};
    out_.primitive(Tag::enumerated, kSuccessful);
    out_.constructed(der::context_constructed(0), [&] {
      out_.sequence([&] {
        out_.oid(oid::ocsp_basic);
        out_.constructed(Tag::octet_string, [&] { out_.sequence(write_basic); });
      });
    });
  });
  return out_.bytes();
}

}  // namespace pki
