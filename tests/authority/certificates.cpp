#include "authority/certificates.hpp"

#include <openssl/asn1.h>
#include <openssl/obj_mac.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <utility>

#include "authority/failure.hpp"
#include "authority/keys.hpp"
#include "authority/mixing.hpp"
#include "authority/output_file.hpp"
#include "authority/signatures.hpp"

namespace authority {
namespace {

using ExtensionPointer = std::unique_ptr<X509_EXTENSION, Deleter<X509_EXTENSION_free>>;

void add_to_name(X509_NAME* name, const char* field, const std::string& value) {
  const auto* const text = reinterpret_cast<const unsigned char*>(value.c_str());
  if (X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, text, -1, -1, 0) != 1) {
    fail_openssl("'" + value + "' cannot stand as " + field + " in a name");
  }
}

// `value` is in the syntax of OpenSSL's x509v3_config(5).
void add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context{};
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const ExtensionPointer extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  if (!extension || X509_add_ext(certificate, extension.get(), -1) != 1) {
    fail_openssl(std::string("adding the extension ") + OBJ_nid2sn(nid) + "=" + value);
  }
}

// All that certificates have in common, up to the extensions.
CertificatePointer start_certificate(EVP_PKEY* key, std::uint64_t serial, Validity validity) {
  CertificatePointer certificate(X509_new());
  X509* const raw = certificate.get();
  require(raw != nullptr && X509_set_version(raw, X509_VERSION_3) == 1 &&
              ASN1_INTEGER_set_uint64(X509_get_serialNumber(raw), serial) == 1 &&
              ASN1_TIME_set(X509_getm_notBefore(raw), validity.not_before) != nullptr &&
              ASN1_TIME_set(X509_getm_notAfter(raw), validity.not_after) != nullptr &&
              X509_set_pubkey(raw, key) == 1,
          "starting a certificate");
  X509_NAME* const subject = X509_get_subject_name(raw);
  add_to_name(subject, "C", "JP");
  add_to_name(subject, "O", "Tashika Test");
  return certificate;
}

void sign(X509* certificate, EVP_PKEY* key) {
  require(X509_sign(certificate, key, scheme_of(key).digest) > 0, "signing a certificate");
}

// Issuer name, authority key identifier and signature: what an issuer adds to a certificate.
Identity issue(const Identity& issuer, CertificatePointer certificate, KeyPointer key) {
  X509* const ca = issuer.certificate.get();
  require(X509_set_issuer_name(certificate.get(), X509_get_subject_name(ca)) == 1,
          "naming the issuer");
  add_extension(certificate.get(), ca, NID_subject_key_identifier, "hash");
  add_extension(certificate.get(), ca, NID_authority_key_identifier, "keyid:always");
  sign(certificate.get(), issuer.key.get());
  return {std::move(certificate), std::move(key)};
}

}  // namespace

Identity make_authority(KeyPointer key, const std::vector<std::string>& units, std::uint64_t serial,
                        Validity validity) {
  CertificatePointer certificate = start_certificate(key.get(), serial, validity);
  X509* const raw = certificate.get();
  for (const std::string& unit : units) add_to_name(X509_get_subject_name(raw), "OU", unit);
  require(X509_set_issuer_name(raw, X509_get_subject_name(raw)) == 1, "naming the issuer");
  add_extension(raw, raw, NID_basic_constraints, "critical,CA:TRUE");
  add_extension(raw, raw, NID_key_usage, "critical,keyCertSign,cRLSign");
  add_extension(raw, raw, NID_subject_key_identifier, "hash");
  sign(raw, key.get());
  return {std::move(certificate), std::move(key)};
}

Identity make_responder(const Identity& issuer, KeyPointer key, std::uint64_t serial,
                        Validity validity) {
  CertificatePointer certificate = start_certificate(key.get(), serial, validity);
  X509* const raw = certificate.get();
  X509* const ca = issuer.certificate.get();
  add_to_name(X509_get_subject_name(raw), "CN", "OCSP responder");
  add_extension(raw, ca, NID_key_usage, "critical,digitalSignature");
  add_extension(raw, ca, NID_ext_key_usage, "OCSPSigning");
  add_extension(raw, ca, NID_id_pkix_OCSP_noCheck, "ignored");
  return issue(issuer, std::move(certificate), std::move(key));
}

Identity make_end_entity(const Identity& issuer, KeyPointer key, std::uint64_t serial,
                         Validity validity, const std::string& ocsp_url) {
  CertificatePointer certificate = start_certificate(key.get(), serial, validity);
  X509* const raw = certificate.get();
  X509* const ca = issuer.certificate.get();
  add_to_name(X509_get_subject_name(raw), "CN", "certificate " + hexadecimal(serial));
  add_extension(raw, ca, NID_key_usage, "critical,digitalSignature,nonRepudiation");
  if (!ocsp_url.empty()) add_extension(raw, ca, NID_info_access, "OCSP;URI:" + ocsp_url);
  return issue(issuer, std::move(certificate), std::move(key));
}

std::uint64_t own_serial(std::uint64_t seed, std::string_view role) {
  return derive_seed(seed, role) >> 1U | std::uint64_t{1} << 62U;
}

Identity make_tls_authority(KeyPointer key, std::uint64_t serial, Validity validity) {
  return make_authority(std::move(key), {"Certificates of TLS"}, serial, validity);
}

Identity make_tls_certificate(const Identity& issuer, KeyPointer key, TlsRole role,
                              const std::string& common_name, std::uint64_t serial,
                              Validity validity) {
  CertificatePointer certificate = start_certificate(key.get(), serial, validity);
  X509* const raw = certificate.get();
  X509* const ca = issuer.certificate.get();
  const bool server = role == TlsRole::server;
  add_to_name(X509_get_subject_name(raw), "CN", common_name);
  add_extension(raw, ca, NID_basic_constraints, "critical,CA:FALSE");
  add_extension(raw, ca, NID_key_usage, "critical,digitalSignature");
  add_extension(raw, ca, NID_ext_key_usage, server ? "serverAuth" : "clientAuth");
  if (server) {
    add_extension(raw, ca, NID_subject_alt_name, "IP:127.0.0.1,IP:::1,DNS:localhost");
  }
  return issue(issuer, std::move(certificate), std::move(key));
}

CertificatePointer load_certificate(const std::filesystem::path& path) {
  const BioPointer input(BIO_new_file(path.c_str(), "r"));
  if (!input) fail_openssl("the certificate " + path.string() + " cannot be opened; check --ca");
  CertificatePointer certificate(PEM_read_bio_X509(input.get(), nullptr, nullptr, nullptr));
  if (!certificate) fail_openssl(path.string() + " holds no PEM certificate; check --ca");
  return certificate;
}

void write_certificate(const std::filesystem::path& path, X509* certificate) {
  const BioPointer output(BIO_new(BIO_s_mem()));
  require(output && PEM_write_bio_X509(output.get(), certificate) == 1, "encoding a certificate");
  char* text = nullptr;
  const long size = BIO_get_mem_data(output.get(), &text);
  write_text(path, {text, static_cast<std::size_t>(size)}, Access::everyone);
}

void write_identity(const std::filesystem::path& directory, const std::string& name,
                    const Identity& identity) {
  write_certificate(directory / (name + ".pem"), identity.certificate.get());
  write_key(directory / (name + ".key"), identity.key.get());
}

std::string hexadecimal(std::uint64_t number) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string text;
  do {
    text.insert(text.begin(), {kDigits[number >> 4U & 15U], kDigits[number & 15U]});
    number >>= 8U;
  } while (number != 0);
  return text;
}

}  // namespace authority
