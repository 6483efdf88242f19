// tashika inspect crl|ocsp|certificate|token: prints one object.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "libpki/crl.hpp"
#include "libpki/ocsp_request.hpp"
#include "libpki/ocsp_response.hpp"
#include "libpki/x509.hpp"
#include "server/commands/commands.hpp"
#include "server/commands/inspect_parts.hpp"
#include "server/credentials.hpp"
#include "server/files.hpp"

namespace server {
namespace {

using nlohmann::ordered_json;
namespace fs = std::filesystem;

struct Options {
  fs::path path;
  bool json = false;
  std::uint64_t entries = UINT64_MAX;
  std::optional<fs::path> jwks;

  [[nodiscard]] PrintAs form() const { return json ? PrintAs::json : PrintAs::text; }
};

[[noreturn]] void fail(const fs::path& path, const pki::Error& error) {
  throw std::runtime_error(path.string() + ": " + pki::to_string(error));
}

void print(const ordered_json& value, const Options& options) {
  print_object(value, options.form());
}

ordered_json describe(const pki::Crl& crl) {
  return {{"issuer", pki::name_to_string(crl.issuer)},
          {"signature_algorithm", pki::to_string(crl.algorithm)},
          {"crl_number", crl.number.to_string()},
          {"this_update", pki::to_string(crl.this_update)},
          {"next_update", pki::to_string(crl.next_update)},
          {"authority_key_id", pki::to_hex(crl.authority_key_id)},
          {"bytes", crl.der.size()}};
}

// Entries are printed as they are read: a list may have a hundred million.
int inspect_crl(const Options& options) {
  const MappedFile file(options.path);
  const auto crl = pki::parse_crl(file.bytes());
  if (!crl) fail(options.path, crl.error());
  ordered_json head = describe(*crl);
  if (options.json) {
    std::string text = head.dump(2);
    text.resize(text.size() - 2);  // the closing brace follows the entries
    fmt::print("{},\n  \"revoked\": [", text);
  } else {
    print_object(head, PrintAs::text);
    fmt::print("revoked:\n");
  }
  std::uint64_t printed = 0;
  const auto count = pki::for_each_entry(*crl, [&](const pki::CrlEntry& entry) {
    if (printed == options.entries) return;
    ++printed;
    const std::string serial = pki::serial_to_string(entry.serial);
    if (!options.json) {
      fmt::print("  {} {} {}\n", serial, pki::to_string(entry.revocation_date),
                 pki::to_string(entry.reason));
      return;
    }
    ordered_json one = {{"serial", serial}, {"date", pki::to_string(entry.revocation_date)}};
    if (entry.reason != pki::Reason::absent) one["reason"] = pki::to_string(entry.reason);
    if (entry.invalidity_date) one["invalidity_date"] = pki::to_string(*entry.invalidity_date);
    fmt::print("{}\n    {}", printed > 1 ? "," : "", one.dump());
  });
  if (options.json) fmt::print("\n  ],\n  \"entries\": {}\n}}\n", count ? *count : printed);
  if (!count) fail(options.path, count.error());
  if (!options.json) fmt::print("entries: {}\n", *count);
  return kExitOk;
}

ordered_json describe(const pki::CertId& id) {
  return {{"serial", pki::serial_to_string(id.serial)},
          {"hash_algorithm", id.digest ? pki::to_string(*id.digest) : "unknown"},
          {"issuer_name_hash", pki::to_hex(id.issuer_name_hash)},
          {"issuer_key_hash", pki::to_hex(id.issuer_key_hash)}};
}

ordered_json describe(const pki::OcspRequest& request) {
  ordered_json out = {{"type", "OCSPRequest"}, {"signed", request.is_signed}};
  if (request.nonce) out["nonce"] = pki::to_hex(*request.nonce);
  for (const pki::CertId& id : request.cert_ids) out["requests"].push_back(describe(id));
  return out;
}

ordered_json describe(const pki::OcspResponse& response) {
  ordered_json out = {{"type", "OCSPResponse"}, {"status", pki::to_string(response.status)}};
  if (response.status != pki::ResponseStatus::successful) return out;
  if (response.responder_name.empty()) {
    out["responder_key_hash"] = pki::to_hex(response.responder_key_hash);
  } else {
    out["responder_name"] = pki::name_to_string(response.responder_name);
  }
  out["produced_at"] = pki::to_string(response.produced_at);
  for (const pki::OcspResponse::Single& single : response.singles) {
    ordered_json one = {{"serial", pki::serial_to_string(single.serial)},
                        {"hash_algorithm", pki::to_string(single.digest)},
                        {"cert_status", pki::to_string(single.status)}};
    if (single.status == pki::CertStatus::revoked) {
      one["revocation_date"] = pki::to_string(single.revocation.date);
      if (single.revocation.reason != pki::Reason::absent) {
        one["reason"] = pki::to_string(single.revocation.reason);
      }
    }
    one["this_update"] = pki::to_string(single.this_update);
    if (single.next_update) one["next_update"] = pki::to_string(*single.next_update);
    out["responses"].push_back(one);
  }
  if (response.nonce) out["nonce"] = pki::to_hex(*response.nonce);
  if (response.extended_revoke) out["extended_revoke"] = true;
  out["signature_algorithm"] = pki::to_string(*response.algorithm);
  for (const pki::Bytes der : response.certificates) {
    const auto certificate = pki::parse_certificate(der);
    out["certificates"].push_back(certificate ? pki::name_to_string(certificate->subject)
                                              : pki::to_string(certificate.error()));
  }
  return out;
}

// The two kinds differ in their second element: an ENUMERATED begins a response.
int inspect_ocsp(const Options& options) {
  const MappedFile file(options.path);
  pki::der::Reader peek(file.bytes());
  auto inside = peek.enter(pki::der::Tag::sequence, "OCSPRequest or OCSPResponse");
  if (!inside) fail(options.path, inside.error());
  if (inside->next_is(pki::der::Tag::enumerated)) {
    const auto response = pki::parse_response(file.bytes());
    if (!response) fail(options.path, response.error());
    print(describe(*response), options);
    return kExitOk;
  }
  pki::OcspRequest request;
  const auto parsed = pki::parse_request(file.bytes(), request);
  if (!parsed) fail(options.path, parsed.error());
  print(describe(request), options);
  return kExitOk;
}

int inspect_certificate(const Options& options) {
  const auto loaded = load_certificate(options.path);
  const pki::Certificate& certificate = loaded->certificate;
  const auto key = pki::PublicKey::parse(certificate.spki);
  ordered_json out = {{"subject", pki::name_to_string(certificate.subject)},
                      {"issuer", pki::name_to_string(certificate.issuer)},
                      {"serial", pki::serial_to_string(certificate.serial)},
                      {"not_before", pki::to_string(certificate.not_before)},
                      {"not_after", pki::to_string(certificate.not_after)},
                      {"key", key ? key->description() : "unsupported"},
                      {"signature_algorithm", pki::to_string(certificate.algorithm)},
                      {"subject_key_id", pki::to_hex(certificate.subject_key_id)},
                      {"authority_key_id", pki::to_hex(certificate.authority_key_id)},
                      {"ca", certificate.is_ca}};
  constexpr std::array kUsages = {"digitalSignature", "contentCommitment", "keyEncipherment",
                                  "dataEncipherment", "keyAgreement",      "keyCertSign",
                                  "cRLSign",          "encipherOnly",      "decipherOnly"};
  if (certificate.key_usage) {
    std::string usages;
    for (std::size_t i = 0; i < kUsages.size(); ++i) {
      if (!certificate.key_usage->bit(i)) continue;
      usages += std::string(usages.empty() ? "" : ", ") + kUsages[i];
    }
    out["key_usage"] = usages;
  }
  if (certificate.may_sign_ocsp) out["extended_key_usage"] = "OCSPSigning";
  if (certificate.ocsp_nocheck) out["ocsp_nocheck"] = true;
  if (certificate.unknown_critical) out["unknown_critical_extension"] = true;
  describe_jpki(certificate, out);
  out["sha256"] = pki::to_hex(pki::digest(pki::DigestAlgorithm::sha256, certificate.der).bytes());
  print(out, options);
  return kExitOk;
}

CLI::App* add(CLI::App& inspect, const char* name, const char* text,
              const std::shared_ptr<Options>& options) {
  CLI::App* command = inspect.add_subcommand(name, text);
  command->add_option("file", options->path, "the file to read")->required();
  command->add_flag("--json", options->json, "print JSON");
  command->footer(fmt::format("Example:\n  tashika inspect {} FILE --json", name));
  return command;
}

}  // namespace

void add_inspect(CLI::App& app, Run& run) {
  CLI::App* inspect = app.add_subcommand("inspect", "Print one object, like openssl ... -text");
  inspect->require_subcommand(1);
  inspect->footer("Example:\n  tashika inspect crl crl.der");
  auto options = std::make_shared<Options>();
  CLI::App* crl = add(*inspect, "crl", "A CRL in DER", options);
  crl->add_option("--entries", options->entries, "print only so many entries");
  crl->callback([options, &run] { run = [options] { return inspect_crl(*options); }; });
  add(*inspect, "ocsp", "An OCSP request or response in DER", options)->callback([options, &run] {
    run = [options] { return inspect_ocsp(*options); };
  });
  add(*inspect, "certificate", "A certificate in PEM or DER", options)->callback([options, &run] {
    run = [options] { return inspect_certificate(*options); };
  });
  CLI::App* token = add(*inspect, "token", "A consent token", options);
  token->add_option("--jwks", options->jwks, "check the signature with the keys of this JWK set");
  token->callback([options, &run] {
    run = [options] { return inspect_token(options->path, options->jwks, options->form()); };
  });
}

}  // namespace server
