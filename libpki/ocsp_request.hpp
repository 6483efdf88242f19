// ocsp_request.hpp: reading an OCSPRequest (RFC 6960 section 4.1) without allocation.
#pragma once

#include <optional>
#include <vector>

#include "libpki/algorithm.hpp"
#include "libpki/bytes.hpp"
#include "libpki/error.hpp"

namespace pki {

// More than this in one request is refused; a body of the usual limit holds fewer.
inline constexpr std::size_t kCertIdsMax = 128;

// Lengths of a nonce (RFC 9654 2.1).
inline constexpr std::size_t kNonceBytesMin = 1;
inline constexpr std::size_t kNonceBytesMax = 128;

// CertID ::= SEQUENCE { hashAlgorithm AlgorithmIdentifier, issuerNameHash OCTET STRING,
//   issuerKeyHash OCTET STRING, serialNumber CertificateSerialNumber }       (RFC 6960 4.1.1)
struct CertId {
  Bytes der;  // with tag and length, as the client wrote it: an answer repeats it byte for byte
  std::optional<DigestAlgorithm>
      digest;              // nothing if we do not know the algorithm: no issuer matches
  Bytes issuer_name_hash;  // as long as the digest makes them, if we know it
  Bytes issuer_key_hash;
  Bytes serial;  // DER content octets, see serial.hpp
};

// A request. Its views alias the input of parse_request.
struct OcspRequest {
  std::vector<CertId> cert_ids;  // 1 to kCertIdsMax, in the request's order
  Bytes request_list;  // the requestList with tag and length: all that an answer depends on,
                       // but for the nonce
  // The extnValue content of the nonce, to be repeated as it is. Normally an OCTET STRING in DER;
  // older clients put the bytes there bare.
  std::optional<Bytes> nonce;
  bool is_signed = false;  // optionalSignature is there; it is parsed and not verified
};

// Reads one request from its first to its last byte. `out` is filled anew; keep one and its vector
// allocates nothing once it has grown.
//
//   OCSPRequest ::= SEQUENCE { tbsRequest TBSRequest, optionalSignature [0] EXPLICIT Signature
//                              OPTIONAL }
//
// Promises: DER; at least one CertID; a nonce of 1 to 128 octets, if any; no critical extension
// that is not understood. Does NOT promise that the issuer is ours or that the nonce is fresh. The
// requestorName is read over: without a verified signature it says nothing (RFC 9919 3.1.2).
// Errors: those of the DER readers, unsupported_version, empty_request, too_many_requests,
// serial_too_long, bad_hash_length, duplicate_extension, unknown_critical_extension,
// bad_nonce_length, trailing_data. On error the state of `out` is undefined. Cost: O(size), about
// 0.2 us for one CertID.
[[nodiscard]] Result<void> parse_request(Bytes der, OcspRequest& out);

}  // namespace pki
