#include "libpki/ocsp_request.hpp"

#include "libpki/extension.hpp"
#include "libpki/oid.hpp"
#include "libpki/serial.hpp"

namespace pki {
namespace {

using der::Element;
using der::Reader;
using der::Tag;

Result<CertId> read_cert_id(Reader& request) {
  CertId out;
  PKI_TRY_ASSIGN(const Element whole, request.read(Tag::sequence, "CertID"));
  out.der = whole.whole;
  Reader id(request, whole);
  PKI_TRY_ASSIGN(out.digest, read_digest_algorithm(id, "CertID.hashAlgorithm"));
  PKI_TRY_ASSIGN(const Element name, id.read(Tag::octet_string, "issuerNameHash"));
  PKI_TRY_ASSIGN(const Element key, id.read(Tag::octet_string, "issuerKeyHash"));
  const std::size_t size = out.digest ? digest_bytes(*out.digest) : 0;
  for (const Element& hash : {name, key}) {
    if (out.digest && hash.content.size() != size) {
      return id.error_at(hash, Errc::bad_hash_length, "CertID");
    }
  }
  out.issuer_name_hash = name.content;
  out.issuer_key_hash = key.content;
  PKI_TRY_ASSIGN(out.serial, read_serial(id, "CertID.serialNumber"));
  PKI_TRY(id.finish("CertID"));
  return out;
}

// The content of `tagged`, which holds a non-empty list of extensions.
Result<Reader> enter_extensions(const Reader& outer, const Element& tagged, const char* field) {
  Reader inside(outer, tagged);
  PKI_TRY_ASSIGN(const Reader list, inside.enter(Tag::sequence, field));
  PKI_TRY(inside.finish(field));
  if (list.empty()) return list.error(Errc::empty_sequence, field);
  return list;
}

// Request ::= SEQUENCE { reqCert CertID,
//   singleRequestExtensions [0] EXPLICIT Extensions OPTIONAL }
// The only single extension that the RFC knows is the service locator, for responders that forward.
// A nonce here is a mistake of the client and is ignored, as 4.4.1 puts it into requestExtensions.
Result<CertId> read_single_request(Reader& request_list) {
  const char* field = "singleRequestExtensions";
  PKI_TRY_ASSIGN(Reader request, request_list.enter(Tag::sequence, "Request"));
  PKI_TRY_ASSIGN(const CertId id, read_cert_id(request));
  PKI_TRY_ASSIGN(const auto tagged, request.read_optional(der::context_constructed(0), field));
  PKI_TRY(request.finish("Request"));
  if (!tagged) return id;
  PKI_TRY_ASSIGN(Reader extensions, enter_extensions(request, *tagged, field));
  while (!extensions.empty()) {
    PKI_TRY_ASSIGN(const Extension extension, read_extension(extensions, field));
    const bool known = extension.is(oid::ocsp_service_locator) || extension.is(oid::ocsp_nonce);
    if (extension.critical && !known) {
      return extension.error(Errc::unknown_critical_extension, field);
    }
  }
  return id;
}

// Nonce ::= OCTET STRING (SIZE(1..128)), inside the extnValue                  (RFC 9654 2.1)
// A bare value, from before RFC 6960 said how to wrap it, is taken as it is.
Result<Bytes> read_nonce(const Extension& extension) {
  const Bytes value = extension.value.rest();
  Reader reader = extension.value;
  const auto wrapped = reader.read(Tag::octet_string, "nonce");
  const bool is_wrapped = wrapped && reader.empty();
  const std::size_t size = is_wrapped ? wrapped->content.size() : value.size();
  if (size < kNonceBytesMin || size > kNonceBytesMax) {
    return extension.error(Errc::bad_nonce_length, "nonce");
  }
  return value;
}

// requestExtensions [2] EXPLICIT Extensions OPTIONAL
Result<void> read_request_extensions(Reader extensions, OcspRequest& out) {
  const char* field = "requestExtensions";
  Seen seen;
  while (!extensions.empty()) {
    PKI_TRY_ASSIGN(const Extension extension, read_extension(extensions, field));
    if (extension.is(oid::ocsp_nonce)) {
      PKI_TRY(seen.mark(0, extension, field));
      PKI_TRY_ASSIGN(out.nonce, read_nonce(extension));
    } else if (extension.is(oid::ocsp_response_types) || extension.is(oid::ocsp_pref_sig_algs)) {
      continue;  // there is one response type, and one key to sign with
    } else if (extension.critical) {
      return extension.error(Errc::unknown_critical_extension, field);
    }
  }
  return {};
}

// TBSRequest ::= SEQUENCE { version [0] EXPLICIT Version DEFAULT v1,
//   requestorName [1] EXPLICIT GeneralName OPTIONAL, requestList SEQUENCE OF Request,
//   requestExtensions [2] EXPLICIT Extensions OPTIONAL }
Result<void> read_tbs_request(Reader tbs, OcspRequest& out) {
  if (tbs.next_is(der::context_constructed(0))) {
    const std::uint64_t at = tbs.offset();
    PKI_TRY_ASSIGN(Reader version, tbs.enter(der::context_constructed(0), "version"));
    PKI_TRY_ASSIGN(const Element number, version.read(Tag::integer, "version"));
    PKI_TRY_ASSIGN(const std::uint32_t value, der::small_integer(version, number, 255, "version"));
    PKI_TRY(version.finish("version"));
    // v1 is the only version there is, and DER omits it.
    return Error{value == 0 ? Errc::default_encoded : Errc::unsupported_version, at, "version"};
  }
  PKI_TRY_ASSIGN(const auto requestor,
                 tbs.read_optional(der::context_constructed(1), "requestorName"));
  if (requestor) {
    Reader name(tbs, *requestor);
    PKI_TRY(name.any("requestorName"));
    PKI_TRY(name.finish("requestorName"));
  }
  PKI_TRY_ASSIGN(const Element list, tbs.read(Tag::sequence, "requestList"));
  out.request_list = list.whole;
  Reader requests(tbs, list);
  if (requests.empty()) return requests.error(Errc::empty_request, "requestList");
  while (!requests.empty()) {
    if (out.cert_ids.size() == kCertIdsMax) {
      return requests.error(Errc::too_many_requests, "requestList");
    }
    PKI_TRY_ASSIGN(const CertId id, read_single_request(requests));
    out.cert_ids.push_back(id);
  }
  PKI_TRY_ASSIGN(const auto extensions,
                 tbs.read_optional(der::context_constructed(2), "requestExtensions"));
  PKI_TRY(tbs.finish("tbsRequest"));
  if (!extensions) return {};
  PKI_TRY_ASSIGN(const Reader inside, enter_extensions(tbs, *extensions, "requestExtensions"));
  return read_request_extensions(inside, out);
}

// Signature ::= SEQUENCE { signatureAlgorithm AlgorithmIdentifier, signature BIT STRING,
//   certs [0] EXPLICIT SEQUENCE OF Certificate OPTIONAL }
Result<void> read_signature(const Reader& outer, const Element& tagged) {
  const char* field = "optionalSignature";
  Reader inside(outer, tagged);
  PKI_TRY_ASSIGN(Reader signature, inside.enter(Tag::sequence, field));
  PKI_TRY(inside.finish(field));
  PKI_TRY(signature.read(Tag::sequence, "optionalSignature.signatureAlgorithm"));
  PKI_TRY_ASSIGN(const Element bits, signature.read(Tag::bit_string, field));
  PKI_TRY(der::octets_of_bit_string(signature, bits, field));
  PKI_TRY_ASSIGN(const auto certs,
                 signature.read_optional(der::context_constructed(0), "optionalSignature.certs"));
  PKI_TRY(signature.finish(field));
  if (!certs) return {};
  Reader list(signature, *certs);
  PKI_TRY_ASSIGN(Reader certificates, list.enter(Tag::sequence, "optionalSignature.certs"));
  PKI_TRY(list.finish("optionalSignature.certs"));
  while (!certificates.empty()) {
    PKI_TRY(certificates.read(Tag::sequence, "optionalSignature.certs"));
  }
  return {};
}

}  // namespace

Result<void> parse_request(Bytes der, OcspRequest& out) {
  out.cert_ids.clear();
  out.request_list = {};
  out.nonce.reset();
  out.is_signed = false;

  Reader input(der);
  PKI_TRY_ASSIGN(Reader request, input.enter(Tag::sequence, "OCSPRequest"));
  PKI_TRY(input.finish("OCSPRequest"));
  PKI_TRY_ASSIGN(const Element tbs, request.read(Tag::sequence, "tbsRequest"));
  PKI_TRY(read_tbs_request(Reader(request, tbs), out));
  PKI_TRY_ASSIGN(const auto signature,
                 request.read_optional(der::context_constructed(0), "optionalSignature"));
  PKI_TRY(request.finish("OCSPRequest"));
  if (signature) {
    PKI_TRY(read_signature(request, *signature));
    out.is_signed = true;
  }
  return {};
}

}  // namespace pki
