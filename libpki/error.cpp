#include "libpki/error.hpp"

#include <cstdio>
#include <cstdlib>

namespace pki {
namespace {

struct Row {
  std::string_view name;
  std::string_view explanation;
};

// One place that names and explains every code; the switch makes the compiler ask for new ones.
Row row(Errc code) {
  switch (code) {
    case Errc::truncated: return {"truncated", "the data end before the element does"};
    case Errc::bad_tag: return {"bad_tag", "another element was expected here"};
    case Errc::high_tag_number: return {"high_tag_number", "multi-byte tags are not used in PKIX"};
    case Errc::indefinite_length:
      return {"indefinite_length", "this is BER with an indefinite length; DER is required"};
    case Errc::non_minimal_length:
      return {"non_minimal_length", "this is BER: DER writes a length in the fewest octets"};
    case Errc::length_too_large: return {"length_too_large", "a length above 2^63 - 1"};
    case Errc::trailing_data: return {"trailing_data", "there are bytes after the end"};
    case Errc::bad_boolean: return {"bad_boolean", "DER encodes a BOOLEAN as 00 or FF"};
    case Errc::default_encoded:
      return {"default_encoded", "DER omits a value equal to its DEFAULT"};
    case Errc::bad_integer: return {"bad_integer", "an INTEGER that is empty or not minimal"};
    case Errc::integer_out_of_range: return {"integer_out_of_range", "the number is out of range"};
    case Errc::bad_bit_string: return {"bad_bit_string", "the unused bits are not valid DER"};
    case Errc::bad_oid: return {"bad_oid", "the object identifier is not valid DER"};
    case Errc::bad_null: return {"bad_null", "a NULL has no content"};
    case Errc::bad_time: return {"bad_time", "not a valid time in the form that RFC 5280 requires"};
    case Errc::wrong_time_type:
      return {"wrong_time_type", "RFC 5280 wants UTCTime through 2049 and GeneralizedTime after"};
    case Errc::empty_sequence:
      return {"empty_sequence", "an empty list must be left out altogether"};
    case Errc::algorithm_mismatch:
      return {"algorithm_mismatch", "the signature algorithms inside and outside differ"};
    case Errc::unsupported_algorithm:
      return {"unsupported_algorithm",
              "supported are RSA PKCS#1 v1.5 and PSS, ECDSA (SHA-256/384/512), and Ed25519"};
    case Errc::weak_algorithm: return {"weak_algorithm", "SHA-1 and MD5 signatures are refused"};
    case Errc::bad_algorithm_parameters:
      return {"bad_algorithm_parameters", "the algorithm's parameters are not the ones it takes"};
    case Errc::unsupported_key:
      return {"unsupported_key",
              "supported are RSA of 2048 to 8192 bits, EC P-256/384/521, and Ed25519"};
    case Errc::bad_signature: return {"bad_signature", "the signature does not verify"};
    case Errc::unsupported_version: return {"unsupported_version", "this version is not supported"};
    case Errc::duplicate_extension: return {"duplicate_extension", "an extension occurs twice"};
    case Errc::unknown_critical_extension:
      return {"unknown_critical_extension",
              "a critical extension that is not understood; the object must not be used"};
    case Errc::criticality: return {"criticality", "RFC 5280 wants the other criticality here"};
    case Errc::serial_too_long: return {"serial_too_long", "a serial number has at most 20 octets"};
    case Errc::time_order: return {"time_order", "the end is not after the beginning"};
    case Errc::missing_next_update:
      return {"missing_next_update", "a list without nextUpdate is never known to be stale"};
    case Errc::missing_crl_number:
      return {"missing_crl_number", "without a CRL number a rollback can't be told"};
    case Errc::crl_number_too_long: return {"crl_number_too_long", "at most 20 octets are allowed"};
    case Errc::delta_order:
      return {"delta_order", "the number of a delta CRL's base is not lower than its own"};
    case Errc::unsupported_scope:
      return {"unsupported_scope",
              "lists for some reasons only, or for attribute certificates, are refused"};
    case Errc::indirect_crl: return {"indirect_crl", "lists of other issuers' entries are refused"};
    case Errc::bad_reason: return {"bad_reason", "not a reason that may stand in this list"};
    case Errc::time_out_of_range:
      return {"time_out_of_range", "the index holds dates from 1950 to February 2086"};
    case Errc::pem_not_der:
      return {"pem_not_der",
              "this is PEM; convert it: openssl crl -in FILE -outform DER -out crl.der"};
    case Errc::issuer_mismatch: return {"issuer_mismatch", "the issuer's name is another one"};
    case Errc::authority_key_mismatch:
      return {"authority_key_mismatch", "signed by another key of an issuer with that name"};
    case Errc::key_usage:
      return {"key_usage", "the certificate does not allow this use of its key"};
    case Errc::expired: return {"expired", "the end of its validity has passed"};
    case Errc::not_yet_valid: return {"not_yet_valid", "its validity begins in the future"};
    case Errc::crl_number_decreased:
      return {"crl_number_decreased", "the CRL number is lower than that of the list in force"};
    case Errc::crl_number_reused:
      return {"crl_number_reused", "a different list with the number of the list in force"};
    case Errc::this_update_decreased:
      return {"this_update_decreased", "thisUpdate is older than that of the list in force"};
    case Errc::empty_request: return {"empty_request", "the request asks for no certificate"};
    case Errc::too_many_requests:
      return {"too_many_requests", "the request asks for too many certificates at once"};
    case Errc::bad_hash_length:
      return {"bad_hash_length", "the hash is not as long as its algorithm makes it"};
    case Errc::bad_nonce_length: return {"bad_nonce_length", "a nonce has 1 to 128 octets"};
    case Errc::bad_base64: return {"bad_base64", "this is not base64 in its one right spelling"};
    case Errc::index_bad_magic: return {"index_bad_magic", "this is not an index file"};
    case Errc::index_version:
      return {"index_version", "the index has another format version; ingest the CRL again"};
    case Errc::index_size: return {"index_size", "the file is not as long as its header says"};
    case Errc::index_header_checksum:
      return {"index_header_checksum", "the header is damaged; ingest the CRL again"};
    case Errc::index_section_checksum:
      return {"index_section_checksum", "a section is damaged; ingest the CRL again"};
    case Errc::index_layout: return {"index_layout", "the sections contradict the header"};
    case Errc::index_order: return {"index_order", "the keys or the fence are out of order"};
    case Errc::index_other_issuer: return {"index_other_issuer", "an index of another issuer key"};
    case Errc::index_base_mismatch:
      return {"index_base_mismatch", "the index file is an overlay of another base file"};
    case Errc::index_base_missing:
      return {"index_base_missing", "the base file of this overlay is not there"};
    case Errc::too_many_entries: return {"too_many_entries", "more entries than the format holds"};
    case Errc::bad_text: return {"bad_text", "not UTF-8 text, or with control characters"};
    case Errc::bad_json:
      return {"bad_json", "not a JSON object of strings, integers and one level of objects"};
    case Errc::json_number: return {"json_number", "not a plain integer below 2^53"};
    case Errc::duplicate_member: return {"duplicate_member", "a member occurs twice"};
    case Errc::token_too_long: return {"token_too_long", "a token has at most 4096 characters"};
    case Errc::token_parts: return {"token_parts", "a token has three parts between two dots"};
    case Errc::token_header:
      return {"token_header", "the header has alg, typ and kid, and no more"};
    case Errc::token_algorithm:
      return {"token_algorithm", "only ES256 is used, with a key on the curve P-256"};
    case Errc::token_unknown_key: return {"token_unknown_key", "no key in use has this kid"};
    case Errc::signature_form:
      return {"signature_form", "an ES256 signature is r and s, 32 octets each, from 1 to n - 1"};
    case Errc::token_type: return {"token_type", "this is another kind of token"};
    case Errc::token_claims:
      return {"token_claims", "a claim is missing, unknown, or not of its kind"};
    case Errc::token_issuer: return {"token_issuer", "issued by somebody else"};
    case Errc::token_audience: return {"token_audience", "meant for somebody else"};
    case Errc::token_client: return {"token_client", "given to another institution"};
    case Errc::token_certificate:
      return {"token_certificate", "bound to another certificate; have it reissued"};
    case Errc::certificate_kind:
      return {"certificate_kind", "not the signing certificate of a person"};
    case Errc::certificate_policy:
      return {"certificate_policy", "issued under no policy that is allowed"};
    case Errc::duplicate_item: return {"duplicate_item", "one of the four items is there twice"};
    case Errc::bad_item: return {"bad_item", "the item does not have the form of the profile"};
    case Errc::item_too_long: return {"item_too_long", "the item has too many characters"};
    case Errc::too_large: return {"too_large", "larger than such an object may be"};
    case Errc::cms_syntax: return {"cms_syntax", "not a CMS SignedData that can be read"};
    case Errc::cms_not_detached:
      return {"cms_not_detached", "the signature must be detached, over content of type data"};
    case Errc::cms_signers: return {"cms_signers", "exactly one signer is expected"};
    case Errc::cms_certificate:
      return {"cms_certificate", "the signer's certificate must be inside, once"};
    case Errc::cms_attributes:
      return {"cms_attributes", "one contentType and one messageDigest must be signed"};
    case Errc::document_mismatch:
      return {"document_mismatch", "another document than the one that was signed"};
  }
  std::abort();
}

}  // namespace

std::string_view name(Errc code) {
  return row(code).name;
}

std::string_view explain(Errc code) {
  return row(code).explanation;
}

std::string to_string(const Error& error) {
  std::string text;
  if (error.field[0] != '\0')
    text.append(error.field).append(" at byte ");
  else
    text.append("byte ");
  text.append(std::to_string(error.offset)).append(": ");
  text.append(name(error.code)).append(": ").append(explain(error.code));
  return text;
}

void throw_exception_from_error(const Error& error, const boost::source_location& where) {
  std::fprintf(stderr, "bug: unchecked error at %s:%u: %s\n", where.file_name(),
               static_cast<unsigned>(where.line()), to_string(error).c_str());
  std::abort();
}

}  // namespace pki
