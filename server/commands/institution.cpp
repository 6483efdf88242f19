// tashika institution: who may use the API.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "libpki/x509.hpp"
#include "server/commands/commands.hpp"
#include "server/files.hpp"
#include "server/store/institutions.hpp"
#include "server/store/key_ring.hpp"
#include "server/tls.hpp"
#include "server/wall_clock.hpp"

namespace server {
namespace {

struct Options {
  std::filesystem::path config;
  std::string institution;
  std::string service;
  std::filesystem::path file;
  std::string thumbprint;
  std::vector<std::string> roles;
  bool json = false;
};

// A platform transaction on the configured database.
class Work {
 public:
  explicit Work(const Options& options)
      : database_(database_of(load_config(options.config))),
        connection_(database_),
        session_(connection_) {}

  [[nodiscard]] const DatabaseConfig& database() const { return database_; }
  Session& session() { return session_; }

  Institution institution(const std::string& name) {
    auto found = find_institution(session_, name);
    if (!found) {
      throw std::runtime_error(fmt::format(
          "there is no institution `{}`; `tashika institution list` shows them all", name));
    }
    return *std::move(found);
  }

 private:
  const DatabaseConfig database_;
  Connection connection_;
  Session session_;
};

bool looks_like_id(std::string name) {
  std::ranges::transform(name, name.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return name.starts_with("inst_");
}

int run_add(const Options& options) {
  constexpr std::string_view kAllowed =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
  const std::string& name = options.institution;
  if (name.empty() || name.size() > 64 || !std::isalnum(static_cast<unsigned char>(name.front())) ||
      name.find_first_not_of(kAllowed) != std::string::npos) {
    throw ConfigError(
        {"a name is 1 to 64 letters, digits, '-', '_' or '.', a letter or digit first"});
  }
  if (looks_like_id(name)) {
    throw ConfigError({"a name that begins with `inst_` would be taken for an id"});
  }
  Work work(options);
  KeyRing keys(work.database().key_encryption_key);
  try {
    const std::string id = add_institution(work.session(), name, wall_clock());
    keys.add_data_key(work.session(), id, wall_clock());
    work.session().commit();
    fmt::print("{}\n", id);
  } catch (const AlreadyThere&) {
    throw std::runtime_error(
        fmt::format("there is an institution `{}`, perhaps in other capitals", name));
  }
  return kExitOk;
}

nlohmann::json to_json(const Institution& one) {
  nlohmann::json certificates = nlohmann::json::array();
  for (const ClientCertificate& certificate : one.certificates) {
    certificates.push_back({{"thumbprint", pki::to_hex(certificate.thumbprint)},
                            {"subject", certificate.subject},
                            {"not_after", pki::to_string(certificate.not_after)},
                            {"roles", certificate.roles.names()},
                            {"status", certificate.is_active ? "active" : "revoked"}});
  }
  return {{"institution_id", one.institution_id},
          {"name", one.name},
          {"status", one.is_active ? "active" : "disabled"},
          {"created_at", pki::to_string(one.created_at)},
          {"services", one.services},
          {"certificates", certificates}};
}

int run_list(const Options& options) {
  Work work(options);
  nlohmann::json document = nlohmann::json::array();
  for (const Institution& one : list_institutions(work.session())) {
    if (options.json) {
      document.push_back(to_json(one));
      continue;
    }
    fmt::print("{}  {}  {}\n", one.institution_id, one.is_active ? "active  " : "disabled",
               one.name);
    for (const std::string& service : one.services) fmt::print("    service      {}\n", service);
    for (const ClientCertificate& certificate : one.certificates) {
      fmt::print("    certificate  {}  {}  until {}  {}  {}\n", pki::to_hex(certificate.thumbprint),
                 certificate.is_active ? "active " : "revoked",
                 pki::to_string(certificate.not_after), fmt::join(certificate.roles.names(), ","),
                 certificate.subject);
    }
  }
  if (options.json) fmt::print("{}\n", document.dump(2));
  return kExitOk;
}

int run_set_active(const Options& options, bool active) {
  Work work(options);
  const Institution one = work.institution(options.institution);
  const bool changed =
      set_institution_active(work.session(), one.institution_id, active, wall_clock());
  work.session().commit();
  fmt::print("{} {}\n", one.name,
             changed ? (active ? "is active again" : "is disabled: its requests are refused now")
                     : (active ? "was active" : "was disabled"));
  return kExitOk;
}

int run_service_add(const Options& options) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyz0123456789-";
  const std::string_view slug =
      std::string_view(options.service).substr(std::min<std::size_t>(4, options.service.size()));
  if (!options.service.starts_with("svc_") || slug.empty() || slug.size() > 48 ||
      slug.front() == '-' || slug.find_first_not_of(kAllowed) != std::string_view::npos) {
    throw ConfigError(
        {"a service is svc_ and 1 to 48 lower-case letters, digits or '-': svc_retail-accounts"});
  }
  Work work(options);
  try {
    add_service(work.session(), work.institution(options.institution).institution_id,
                options.service, wall_clock());
    work.session().commit();
  } catch (const AlreadyThere&) {
    throw std::runtime_error(fmt::format("{} has a service {}, perhaps one that ended",
                                         options.institution, options.service));
  }
  fmt::print("{}\n", options.service);
  return kExitOk;
}

int run_service_end(const Options& options) {
  Work work(options);
  if (!end_service(work.session(), work.institution(options.institution).institution_id,
                   options.service, wall_clock())) {
    throw std::runtime_error(
        fmt::format("{} has no active service {}; `tashika institution list` shows them",
                    options.institution, options.service));
  }
  work.session().commit();
  fmt::print("{} has ended: no new consents are taken for it\n", options.service);
  return kExitOk;
}

// The DER of a certificate file, PEM or DER.
std::vector<std::uint8_t> read_certificate(const std::filesystem::path& file) {
  const std::string text = read_file(file);
  if (auto pem = pki::decode_pem(text, "CERTIFICATE")) return *std::move(pem);
  if (text.find("PRIVATE KEY-----") != std::string::npos) {
    throw std::runtime_error(
        fmt::format("{}: this is a private key, which nobody but its holder should have; give the "
                    "certificate",
                    file.string()));
  }
  return pki::to_vector(pki::as_bytes(text));
}

// Why nobody would get in with this certificate; empty if they would.
std::string client_fault(const Options& options, const pki::Certificate& certificate) {
  if (certificate.is_ca) return "this is the certificate of a CA; give that of a client";
  const Config config = load_config(options.config);
  return client_certificate_fault(options.file, config.api ? &config.api->tls : nullptr,
                                  wall_clock());
}

int run_certificate_add(const Options& options) {
  const auto roles = Roles::from_names(options.roles);
  if (!roles || roles->is_empty()) {
    throw ConfigError({"roles are poller, query and consent-admin, with commas between them"});
  }
  const auto der = read_certificate(options.file);
  const auto parsed = pki::parse_certificate(der);
  if (!parsed) {
    throw std::runtime_error(
        fmt::format("{}: {}", options.file.string(), pki::to_string(parsed.error())));
  }
  if (parsed->not_after < wall_clock()) {
    throw std::runtime_error(fmt::format("{}: this certificate ended at {}", options.file.string(),
                                         pki::to_string(parsed->not_after)));
  }
  if (const std::string fault = client_fault(options, *parsed); !fault.empty()) {
    throw std::runtime_error(fmt::format("{}: {}", options.file.string(), fault));
  }
  ClientCertificate certificate;
  const auto digest = pki::digest(pki::DigestAlgorithm::sha256, der);
  std::copy_n(digest.octets.begin(), certificate.thumbprint.size(), certificate.thumbprint.begin());
  certificate.subject = pki::name_to_string(parsed->subject);
  certificate.not_after = parsed->not_after;
  certificate.roles = *roles;
  Work work(options);
  try {
    add_certificate(work.session(), work.institution(options.institution).institution_id,
                    certificate, wall_clock());
    work.session().commit();
  } catch (const AlreadyThere&) {
    throw std::runtime_error(
        fmt::format("{}: this certificate was registered before; an institution's new certificate "
                    "needs a new key or at least a new serial",
                    options.file.string()));
  }
  fmt::print("{}\n", pki::to_hex(certificate.thumbprint));
  return kExitOk;
}

int run_certificate_revoke(const Options& options) {
  Thumbprint thumbprint{};
  const auto octets = pki::from_hex(options.thumbprint);
  if (options.thumbprint.size() != 64 || octets.size() != thumbprint.size()) {
    throw ConfigError({"a thumbprint is the SHA-256 of the certificate: 64 hexadecimal digits"});
  }
  std::copy(octets.begin(), octets.end(), thumbprint.begin());
  Work work(options);
  if (!revoke_certificate(work.session(), work.institution(options.institution).institution_id,
                          thumbprint, wall_clock())) {
    throw std::runtime_error(
        fmt::format("{} has no active certificate {}; `tashika institution list` shows them",
                    options.institution, options.thumbprint));
  }
  work.session().commit();
  fmt::print("{} is refused now\n", options.thumbprint);
  return kExitOk;
}

// A subcommand with the options that all have.
CLI::App* add_command(CLI::App* parent, const std::shared_ptr<Options>& options, Run& run,
                      const char* name, const char* about, const char* example,
                      int (*what)(const Options&)) {
  CLI::App* command = parent->add_subcommand(name, about);
  command->add_option("--config", options->config, "the configuration file")->required();
  command->footer(fmt::format("Example:\n  {}", example));
  command->callback([options, &run, what] { run = [options, what] { return what(*options); }; });
  return command;
}

}  // namespace

void add_institution_commands(CLI::App& app, Run& run) {
  auto options = std::make_shared<Options>();
  const auto add = [&](CLI::App* parent, const char* name, const char* about, const char* example,
                       int (*what)(const Options&)) {
    return add_command(parent, options, run, name, about, example, what);
  };
  const auto takes_institution = [&](CLI::App* command) {
    command->add_option("institution", options->institution, "its name or id")->required();
  };
  CLI::App* institution = app.add_subcommand("institution", "Who may use the API");
  institution->require_subcommand(1);
  institution->footer("Example:\n  tashika institution list --config tashika.toml");
  takes_institution(add(institution, "add", "A new institution; prints its id",
                        "tashika institution add --config tashika.toml example-bank", run_add));
  add(institution, "list", "All of them, with services and certificates",
      "tashika institution list --config tashika.toml --json", run_list)
      ->add_flag("--json", options->json, "as JSON");
  takes_institution(add(institution, "disable", "Refuse all its requests from now on",
                        "tashika institution disable --config tashika.toml example-bank",
                        [](const Options& o) { return run_set_active(o, false); }));
  takes_institution(add(institution, "enable", "The reverse",
                        "tashika institution enable --config tashika.toml example-bank",
                        [](const Options& o) { return run_set_active(o, true); }));

  CLI::App* service = institution->add_subcommand("service", "What its customers consent to");
  service->require_subcommand(1);
  service->footer(
      "Example:\n  tashika institution service add --config tashika.toml example-bank "
      "svc_retail-accounts");
  for (const auto& [name, about, what] :
       {std::tuple{"add", "A new service", &run_service_add},
        std::tuple{"end", "Take no new consents for it", &run_service_end}}) {
    CLI::App* command =
        add(service, name, about,
            fmt::format("tashika institution service {} --config tashika.toml example-bank "
                        "svc_retail-accounts",
                        name)
                .c_str(),
            what);
    takes_institution(command);
    command->add_option("service", options->service, "svc_…")->required();
  }

  CLI::App* certificate = institution->add_subcommand("certificate", "Its TLS client certificates");
  certificate->require_subcommand(1);
  certificate->footer(
      "Example:\n  tashika institution certificate add --config tashika.toml example-bank "
      "client.pem --roles poller,query");
  CLI::App* certificate_add =
      add(certificate, "add", "Let a certificate in; prints its thumbprint",
          "tashika institution certificate add --config tashika.toml example-bank client.pem "
          "--roles poller,query",
          run_certificate_add);
  takes_institution(certificate_add);
  certificate_add->add_option("file", options->file, "the certificate, PEM or DER")->required();
  certificate_add->add_option("--roles", options->roles, "poller, query, consent-admin")
      ->delimiter(',')
      ->required();
  CLI::App* certificate_revoke =
      add(certificate, "revoke", "Refuse a certificate from now on",
          "tashika institution certificate revoke --config tashika.toml example-bank THUMBPRINT",
          run_certificate_revoke);
  takes_institution(certificate_revoke);
  certificate_revoke->add_option("thumbprint", options->thumbprint, "SHA-256, in hex")->required();
}

}  // namespace server
