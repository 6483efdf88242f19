// ocsp_response_reader.cpp: parse_response of ocsp_response.hpp.
#include "libpki/extension.hpp"
#include "libpki/ocsp_request.hpp"
#include "libpki/ocsp_response.hpp"
#include "libpki/oid.hpp"

namespace pki {
namespace {

using der::Element;
using der::Reader;
using der::Tag;

// RevokedInfo, inside its [1] IMPLICIT tag
Result<Revocation> read_revoked(Reader info) {
  Revocation out;
  PKI_TRY_ASSIGN(out.date, read_generalized_time(info, "revocationTime"));
  PKI_TRY_ASSIGN(const auto tagged,
                 info.read_optional(der::context_constructed(0), "revocationReason"));
  PKI_TRY(info.finish("RevokedInfo"));
  if (!tagged) return out;
  Reader inside(info, *tagged);
  PKI_TRY_ASSIGN(const Element element, inside.read(Tag::enumerated, "revocationReason"));
  PKI_TRY_ASSIGN(const std::uint32_t code,
                 der::small_integer(inside, element, 255, "revocationReason"));
  PKI_TRY(inside.finish("revocationReason"));
  if (code > 10 || code == 7) return inside.error_at(element, Errc::bad_reason, "revocationReason");
  out.reason = static_cast<Reason>(code);
  return out;
}

Result<void> read_cert_status(Reader& single, OcspResponse::Single& out) {
  if (single.next_is(der::context(0)) || single.next_is(der::context(2))) {
    PKI_TRY_ASSIGN(const Element element, single.any("certStatus"));
    PKI_TRY(der::null(single, element, "certStatus"));
    out.status = element.tag == der::context(0) ? CertStatus::good : CertStatus::unknown;
    return {};
  }
  PKI_TRY_ASSIGN(const Reader info, single.enter(der::context_constructed(1), "certStatus"));
  out.status = CertStatus::revoked;
  PKI_TRY_ASSIGN(out.revocation, read_revoked(info));
  return {};
}

// crlNum, which is a CRLNumber
Result<CrlNumber> read_crl_number(Reader& inside) {
  PKI_TRY_ASSIGN(const Element element, inside.read(Tag::integer, "crlNum"));
  PKI_TRY_ASSIGN(const Bytes content, der::integer(inside, element, "crlNum"));
  if ((content[0] & 0x80) != 0) {
    return inside.error_at(element, Errc::integer_out_of_range, "crlNum");
  }
  if (content.size() > 20) return inside.error_at(element, Errc::crl_number_too_long, "crlNum");
  return CrlNumber(content);
}

Result<CrlId> read_crl_id(Reader value) {
  const char* field = "crlID";
  CrlId out;
  PKI_TRY_ASSIGN(Reader fields, value.enter(Tag::sequence, field));
  PKI_TRY(value.finish(field));
  if (fields.next_is(der::context_constructed(0))) {
    PKI_TRY_ASSIGN(Reader inside, fields.enter(der::context_constructed(0), "crlUrl"));
    PKI_TRY_ASSIGN(const Element url, inside.read(Tag::ia5_string, "crlUrl"));
    PKI_TRY(inside.finish("crlUrl"));
    out.url = url.content;
  }
  if (fields.next_is(der::context_constructed(1))) {
    PKI_TRY_ASSIGN(Reader inside, fields.enter(der::context_constructed(1), "crlNum"));
    PKI_TRY_ASSIGN(out.number, read_crl_number(inside));
    PKI_TRY(inside.finish("crlNum"));
  }
  if (fields.next_is(der::context_constructed(2))) {
    PKI_TRY_ASSIGN(Reader inside, fields.enter(der::context_constructed(2), "crlTime"));
    PKI_TRY_ASSIGN(out.time, read_generalized_time(inside, "crlTime"));
    PKI_TRY(inside.finish("crlTime"));
  }
  PKI_TRY(fields.finish(field));
  return out;
}

// singleExtensions [1] EXPLICIT Extensions OPTIONAL
Result<void> read_single_extensions(Reader& single, OcspResponse::Single& out) {
  const char* field = "singleExtensions";
  PKI_TRY_ASSIGN(Reader tagged, single.enter(der::context_constructed(1), field));
  PKI_TRY_ASSIGN(Reader list, tagged.enter(Tag::sequence, field));
  PKI_TRY(tagged.finish(field));
  Seen seen;
  while (!list.empty()) {
    PKI_TRY_ASSIGN(Extension extension, read_extension(list, field));
    if (extension.is(oid::ocsp_crl_id)) {
      PKI_TRY(seen.mark(0, extension, field));
      PKI_TRY_ASSIGN(out.crl_id, read_crl_id(extension.value));
    } else if (extension.is(oid::ocsp_archive_cutoff)) {
      PKI_TRY(seen.mark(1, extension, field));
      PKI_TRY_ASSIGN(out.archive_cutoff, read_generalized_time(extension.value, "archiveCutoff"));
      PKI_TRY(extension.value.finish("archiveCutoff"));
    }
  }
  return {};
}

Result<OcspResponse::Single> read_single(Reader& responses) {
  OcspResponse::Single out;
  PKI_TRY_ASSIGN(Reader single, responses.enter(Tag::sequence, "SingleResponse"));
  PKI_TRY_ASSIGN(const Element id, single.read(Tag::sequence, "certID"));
  out.cert_id = id.whole;
  Reader cert_id(single, id);
  const Error unsupported = cert_id.error(Errc::unsupported_algorithm, "certID.hashAlgorithm");
  PKI_TRY_ASSIGN(const auto algorithm, read_digest_algorithm(cert_id, "certID.hashAlgorithm"));
  if (!algorithm) return unsupported;
  out.digest = *algorithm;
  PKI_TRY(cert_id.read(Tag::octet_string, "issuerNameHash"));
  PKI_TRY(cert_id.read(Tag::octet_string, "issuerKeyHash"));
  PKI_TRY_ASSIGN(out.serial, read_serial(cert_id, "serialNumber"));
  PKI_TRY(cert_id.finish("certID"));

  PKI_TRY(read_cert_status(single, out));
  PKI_TRY_ASSIGN(out.this_update, read_generalized_time(single, "thisUpdate"));
  PKI_TRY_ASSIGN(const auto next, single.read_optional(der::context_constructed(0), "nextUpdate"));
  if (next) {
    Reader inside(single, *next);
    PKI_TRY_ASSIGN(out.next_update, read_generalized_time(inside, "nextUpdate"));
    PKI_TRY(inside.finish("nextUpdate"));
  }
  if (single.next_is(der::context_constructed(1))) PKI_TRY(read_single_extensions(single, out));
  PKI_TRY(single.finish("SingleResponse"));
  return out;
}

Result<void> read_responder_id(Reader& data, OcspResponse& out) {
  if (data.next_is(der::context_constructed(1))) {
    PKI_TRY_ASSIGN(const Element name, data.any("responderID"));
    out.responder_name = name.content;
    return {};
  }
  PKI_TRY_ASSIGN(Reader key, data.enter(der::context_constructed(2), "responderID"));
  PKI_TRY_ASSIGN(const Element hash, key.read(Tag::octet_string, "responderID"));
  out.responder_key_hash = hash.content;
  return key.finish("responderID");
}

Result<void> read_response_extensions(Reader& data, OcspResponse& out) {
  const char* field = "responseExtensions";
  PKI_TRY_ASSIGN(Reader tagged, data.enter(der::context_constructed(1), field));
  PKI_TRY_ASSIGN(Reader list, tagged.enter(Tag::sequence, field));
  PKI_TRY(tagged.finish(field));
  Seen seen;
  while (!list.empty()) {
    PKI_TRY_ASSIGN(const Extension extension, read_extension(list, field));
    if (extension.is(oid::ocsp_nonce)) {
      PKI_TRY(seen.mark(0, extension, field));
      out.nonce = extension.value.rest();
    } else if (extension.is(oid::ocsp_extended_revoke)) {
      PKI_TRY(seen.mark(1, extension, field));
      out.extended_revoke = true;
    }
  }
  return {};
}

Result<void> read_response_data(Reader data, OcspResponse& out) {
  if (data.next_is(der::context_constructed(0))) {
    return data.error(Errc::unsupported_version, "version");
  }
  PKI_TRY(read_responder_id(data, out));
  PKI_TRY_ASSIGN(out.produced_at, read_generalized_time(data, "producedAt"));
  PKI_TRY_ASSIGN(Reader responses, data.enter(Tag::sequence, "responses"));
  while (!responses.empty()) {
    PKI_TRY_ASSIGN(out.singles.emplace_back(), read_single(responses));
  }
  if (!data.empty()) PKI_TRY(read_response_extensions(data, out));
  return data.finish("ResponseData");
}

Result<void> read_basic(Reader basic, OcspResponse& out) {
  PKI_TRY_ASSIGN(const Element data, basic.read(Tag::sequence, "tbsResponseData"));
  out.response_data = data.whole;
  PKI_TRY(read_response_data(Reader(basic, data), out));
  PKI_TRY_ASSIGN(out.algorithm, read_signature_algorithm(basic, "signatureAlgorithm"));
  PKI_TRY_ASSIGN(const Element signature, basic.read(Tag::bit_string, "signature"));
  PKI_TRY_ASSIGN(out.signature, der::octets_of_bit_string(basic, signature, "signature"));
  if (basic.next_is(der::context_constructed(0))) {
    PKI_TRY_ASSIGN(Reader tagged, basic.enter(der::context_constructed(0), "certs"));
    PKI_TRY_ASSIGN(Reader certs, tagged.enter(Tag::sequence, "certs"));
    PKI_TRY(tagged.finish("certs"));
    while (!certs.empty()) {
      PKI_TRY_ASSIGN(const Element certificate, certs.read(Tag::sequence, "certs"));
      out.certificates.push_back(certificate.whole);
    }
  }
  return basic.finish("BasicOCSPResponse");
}

}  // namespace

Result<OcspResponse> parse_response(Bytes der) {
  OcspResponse out;
  Reader input(der);
  PKI_TRY_ASSIGN(Reader response, input.enter(Tag::sequence, "OCSPResponse"));
  PKI_TRY(input.finish("OCSPResponse"));
  PKI_TRY_ASSIGN(const Element status, response.read(Tag::enumerated, "responseStatus"));
  PKI_TRY_ASSIGN(const std::uint32_t code,
                 der::small_integer(response, status, 6, "responseStatus"));
  out.status = static_cast<ResponseStatus>(code);
  if (code == 4) return response.error_at(status, Errc::integer_out_of_range, "responseStatus");
  if (out.status != ResponseStatus::successful) {
    PKI_TRY(response.finish("OCSPResponse"));
    return out;
  }
  PKI_TRY_ASSIGN(Reader tagged, response.enter(der::context_constructed(0), "responseBytes"));
  PKI_TRY(response.finish("OCSPResponse"));
  PKI_TRY_ASSIGN(Reader bytes, tagged.enter(Tag::sequence, "responseBytes"));
  PKI_TRY(tagged.finish("responseBytes"));
  const Error not_basic = bytes.error(Errc::unsupported_algorithm, "responseType");
  PKI_TRY_ASSIGN(const Element type, bytes.read(Tag::oid, "responseType"));
  if (!equal(type.content, oid::ocsp_basic)) return not_basic;
  PKI_TRY_ASSIGN(Reader octets, bytes.enter(Tag::octet_string, "response"));
  PKI_TRY(bytes.finish("responseBytes"));
  PKI_TRY_ASSIGN(const Reader basic, octets.enter(Tag::sequence, "BasicOCSPResponse"));
  PKI_TRY(octets.finish("BasicOCSPResponse"));
  PKI_TRY(read_basic(basic, out));
  return out;
}

}  // namespace pki
