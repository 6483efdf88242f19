// error.hpp: how libpki says no. One enum of reasons, each with the byte offset and the field.
#pragma once

#include <boost/system/result.hpp>
#include <cstdint>
#include <string>
#include <string_view>

namespace pki {

// Why an input was refused. A value is never reused for a second meaning; every one of them has a
// test that yields it (tests/unit/errors_test.cpp checks that none is forgotten).
enum class Errc : std::uint8_t {
  // --- DER (X.690) ---
  truncated,             // an element claims more bytes than there are
  bad_tag,               // another element was expected here
  high_tag_number,       // multi-byte tags do not occur in PKIX
  indefinite_length,     // BER: length octet 0x80
  non_minimal_length,    // BER: the length could have been written shorter
  length_too_large,      // a length above 2^63 - 1
  trailing_data,         // bytes after the last element of a structure
  bad_boolean,           // DER knows 0x00 and 0xFF only
  default_encoded,       // DER omits a value that equals its DEFAULT
  bad_integer,           // empty, or not in the shortest form
  integer_out_of_range,  // a number larger than the field allows
  bad_bit_string,        // unused-bits octet missing, above 7, or bits not zero
  bad_oid,               // an object identifier that is empty or not minimally encoded
  bad_null,              // a NULL with content
  bad_time,              // not YYMMDDHHMMSSZ / YYYYMMDDHHMMSSZ, or no such moment
  wrong_time_type,       // UTCTime through 2049, GeneralizedTime from 2050 (RFC 5280 5.1.2.4)
  empty_sequence,        // SIZE (1..MAX) but there is none

  // --- algorithms and keys ---
  algorithm_mismatch,        // the inner and the outer signature algorithm differ
  unsupported_algorithm,     // a signature or digest algorithm that we do not know
  weak_algorithm,            // SHA-1 or MD5 signatures
  bad_algorithm_parameters,  // parameters that the algorithm does not take
  unsupported_key,           // a public key of another kind, curve or size
  bad_signature,             // the signature does not verify

  // --- certificates and extensions (RFC 5280 section 4) ---
  unsupported_version,         // not version 3 (certificate), 2 (CRL), 1 (OCSP)
  duplicate_extension,         // the same extension twice
  unknown_critical_extension,  // marked critical, and we do not know it
  criticality,                 // marked critical though it must not be, or the reverse
  serial_too_long,             // more than 20 octets
  time_order,                  // notAfter before notBefore, nextUpdate not after thisUpdate

  // --- CRLs (RFC 5280 section 5) ---
  missing_next_update,  // RFC 5280 requires it, and without it nothing ends "good"
  missing_crl_number,   // RFC 5280 5.2.3 requires it; it is the guard against rollback
  crl_number_too_long,  // more than 20 octets
  delta_order,          // a delta whose base is not older than itself
  unsupported_scope,    // a list for some reasons only, or for attribute certificates
  indirect_crl,         // entries of other issuers
  bad_reason,           // reason 7, above 10, or removeFromCRL in a complete list
  time_out_of_range,    // a date that the index can't hold
  pem_not_der,          // "-----BEGIN": convert it first

  // --- what a list, certificate or responder may be used for ---
  issuer_mismatch,         // the CRL or certificate names another issuer
  authority_key_mismatch,  // the AKI names another key of that issuer
  key_usage,               // the certificate may not do this (cRLSign, OCSPSigning)
  expired,                 // past nextUpdate or notAfter
  not_yet_valid,           // before thisUpdate or notBefore
  crl_number_decreased,    // lower than the list in force
  crl_number_reused,       // equal to the list in force, with other bytes
  this_update_decreased,   // older than the list in force

  // --- OCSP (RFC 6960) ---
  empty_request,      // a request for nothing
  too_many_requests,  // more CertIDs than one request may hold
  bad_hash_length,    // a CertID hash that is not as long as its algorithm makes it
  bad_nonce_length,   // not 1 to 128 octets (RFC 9654)
  bad_base64,         // a GET path, or a part of a token, that does not decode

  // --- the index file (index_format.md) ---
  index_bad_magic,         // not an index file
  index_version,           // written by another version of this program
  index_size,              // the file is shorter or longer than its header says
  index_header_checksum,   // the header was altered
  index_section_checksum,  // a section was altered
  index_layout,            // sections that overlap, or counts that contradict each other
  index_order,             // keys out of order, or a fence that does not point at them
  index_other_issuer,      // an index of another issuer key
  index_base_mismatch,     // an overlay of another base, or none
  index_base_missing,      // an overlay whose base file is not there
  too_many_entries,        // more than 2^32 - 2 keys of one width

  // --- text and JSON (RFC 8259, in the narrow form that tokens have) ---
  bad_text,          // not UTF-8, or with characters that have no place in it
  bad_json,          // no JSON object, or one with values that tokens do not have
  json_number,       // not a plain integer, or beyond 2^53 - 1
  duplicate_member,  // the same member twice in one object

  // --- consent tokens (RFC 7515, RFC 7519) ---
  token_too_long,     // more than 4096 characters
  token_parts,        // not three parts between two dots
  token_header,       // not exactly the members alg, typ and kid
  token_algorithm,    // alg is not that of our key
  token_unknown_key,  // no key of ours has that kid
  signature_form,     // not r and s of 32 octets each, both from 1 to n - 1
  token_type,         // typ is not the one of a consent token
  token_claims,       // a claim is missing, unknown, or of another kind
  token_issuer,       // iss is somebody else
  token_audience,     // aud is somebody else
  token_client,       // client_id is another institution
  token_certificate,  // cnf is another certificate than the one presented

  // --- certificates of persons (the JPKI profile) ---
  certificate_kind,    // not a signing certificate of a person
  certificate_policy,  // issued under no policy that is allowed
  duplicate_item,      // one of the four items twice
  bad_item,            // a sex, birthdate or substitution map of another form
  item_too_long,       // more characters than an item may have

  // --- signed documents (RFC 5652) ---
  too_large,          // more bytes than such an object may have
  cms_syntax,         // not a SignedData that can be read
  cms_not_detached,   // the document is inside, or its type is not data
  cms_signers,        // not exactly one signer
  cms_certificate,    // the signer's certificate is not inside, or is there twice
  cms_attributes,     // signed attributes without one content type and one message digest
  document_mismatch,  // another document than the one that was signed
};

// What was wrong, and where.
struct Error {
  Errc code;
  std::uint64_t offset = 0;  // of the first byte at fault, from the start of the input
  const char* field = "";    // the ASN.1 name or section at fault; a string literal

  friend bool operator==(const Error& a, const Error& b) {
    return a.code == b.code && a.offset == b.offset && std::string_view(a.field) == b.field;
  }
};

// The identifier of a code, as in the enum: "non_minimal_length".
[[nodiscard]] std::string_view name(Errc code);

// One sentence for people: what it means, and where it helps, what to do.
[[nodiscard]] std::string_view explain(Errc code);

// "tbsCertList.version at byte 12: unsupported_version: only version 2 lists ..."
[[nodiscard]] std::string to_string(const Error& error);

template <class T>
using Result = boost::system::result<T, Error>;

// Asking a Result for the value it does not have is a bug of the caller.
[[noreturn]] void throw_exception_from_error(const Error& error,
                                             const boost::source_location& where);

}  // namespace pki

#define PKI_JOIN_(a, b) a##b
#define PKI_JOIN(a, b) PKI_JOIN_(a, b)

// PKI_TRY(expression): returns the error of a Result from the enclosing function, or goes on.
#define PKI_TRY(expression)                                                     \
  do {                                                                          \
    if (auto pki_result = (expression); !pki_result) return pki_result.error(); \
  } while (false)

// PKI_TRY_ASSIGN(auto x, expression): the same, and keeps the value.
#define PKI_TRY_ASSIGN(declaration, expression) \
  PKI_TRY_ASSIGN_(declaration, expression, PKI_JOIN(pki_result_, __LINE__))
#define PKI_TRY_ASSIGN_(declaration, expression, result) \
  auto result = (expression);                            \
  if (!result) return result.error();                    \
  declaration = *std::move(result)
