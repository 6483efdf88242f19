// tashika migrate, tashika audit verify: the database from the outside.
#include <fmt/format.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "server/commands/commands.hpp"
#include "server/files.hpp"
#include "server/private_memory.hpp"
#include "server/progress.hpp"
#include "server/store/audit.hpp"
#include "server/store/key_ring.hpp"
#include "server/store/migration.hpp"
#include "server/wall_clock.hpp"

namespace server {

DatabaseConfig database_of(const Config& config) {
  if (!config.database) {
    throw ConfigError({fmt::format("{}: this command needs the section [database] with `url`",
                                   config.path.string())});
  }
  keep_memory_private();
  return *config.database;
}

namespace {

struct MigrateOptions {
  std::filesystem::path config;
  bool status = false;
  bool json = false;
};

const char* name_of(MigrationStatus::State state) {
  switch (state) {
    case MigrationStatus::State::applied: return "applied";
    case MigrationStatus::State::pending: return "pending";
    case MigrationStatus::State::changed: return "changed";
    case MigrationStatus::State::unknown: return "unknown";
  }
  return "";
}

// Exit 1 unless the database is exactly what this program needs.
int show_status(const DatabaseConfig& database, bool json) {
  nlohmann::json document = nlohmann::json::array();
  bool is_current = true;
  for (const MigrationStatus& step : migration_status(database)) {
    is_current = is_current && step.state == MigrationStatus::State::applied;
    const std::string at = step.applied_at ? pki::to_string(*step.applied_at) : "";
    if (json) {
      document.push_back({{"name", step.name}, {"state", name_of(step.state)}, {"applied_at", at}});
    } else {
      fmt::print("{:<32} {:<8} {}\n", step.name, name_of(step.state), at);
    }
  }
  if (json) fmt::print("{}\n", document.dump(2));
  return is_current ? kExitOk : kExitFailed;
}

int run_migrate(const MigrateOptions& options) {
  const DatabaseConfig database = database_of(load_config(options.config));
  if (options.status) return show_status(database, options.json);
  const auto applied = migrate(database, wall_clock());
  for (const std::string& name : applied) fmt::print("applied {}\n", name);
  if (applied.empty())
    fmt::print("nothing to do: {} migrations are applied\n", migrations().size());
  KeyRing::create_if_missing(database, wall_clock());
  return kExitOk;
}

struct AuditOptions {
  std::filesystem::path config;
  std::filesystem::path expect;
  bool json = false;
};

// The heads of an earlier report.
std::vector<AuditHead> read_heads(const std::filesystem::path& path) {
  std::vector<AuditHead> out;
  if (path.empty()) return out;
  const std::string text = read_file(path);
  try {
    const auto report = nlohmann::json::parse(text.begin(), text.end());
    for (const auto& head : report.at("heads")) {
      out.push_back({head.at("institution_id").get<std::string>(),
                     head.at("seq").get<std::int64_t>(),
                     pki::from_hex(head.at("hash").get<std::string>())});
    }
  } catch (const std::exception&) {
    throw std::runtime_error(
        fmt::format("{}: this is no report of `tashika audit verify --json`", path.string()));
  }
  return out;
}

int run_audit_verify(const AuditOptions& options) {
  DatabaseConfig database = database_of(load_config(options.config));
  database.statement_timeout = std::chrono::hours{1};
  Connection connection(database);
  Session session(connection, Session::Snapshot{});  // rows are written meanwhile
  const auto verify = [&] {
    Progress progress("audit");
    progress.step("verify");
    return verify_audit(
        session, read_heads(options.expect),
        [&](std::uint64_t rows, std::uint64_t total) { progress.count(rows, total); });
  };
  const AuditReport report = verify();
  if (options.json) {
    nlohmann::json faults = nlohmann::json::array();
    for (const AuditFault& fault : report.faults) {
      faults.push_back(
          {{"institution_id", fault.institution_id}, {"seq", fault.seq}, {"fault", fault.what}});
    }
    nlohmann::json heads = nlohmann::json::array();
    for (const AuditHead& head : report.heads) {
      heads.push_back({{"institution_id", head.institution_id},
                       {"seq", head.seq},
                       {"hash", pki::to_hex(head.hash)}});
    }
    fmt::print("{}\n", nlohmann::json{{"institutions", report.heads.size()},
                                      {"rows", report.rows},
                                      {"faults", faults},
                                      {"heads", heads}}
                           .dump(2));
  } else {
    for (const AuditFault& fault : report.faults) {
      fmt::print("{}: row {}: {}\n", fault.institution_id, fault.seq, fault.what);
    }
    fmt::print("{} of {}: {}\n", counted(report.rows, "row"),
               counted(report.heads.size(), "institution"),
               report.faults.empty() ? "whole" : "NOT whole");
  }
  return report.faults.empty() ? kExitOk : kExitFailed;
}

}  // namespace

void add_migrate(CLI::App& app, Run& run) {
  auto options = std::make_shared<MigrateOptions>();
  CLI::App* command = app.add_subcommand("migrate", "Bring the database up to this version");
  command->add_option("--config", options->config, "the configuration file")->required();
  command->add_flag("--status", options->status, "show what is applied; exit 1 if anything is not");
  command->add_flag("--json", options->json, "the status as JSON");
  command->footer(
      "Safe to run twice, and from two machines at once. For a new database it also makes the\n"
      "key-encryption key (`key_encryption_key` of [database]): keep a copy of it elsewhere.\n"
      "Example:\n  tashika migrate --config /etc/tashika/tashika.toml");
  command->callback([options, &run] { run = [options] { return run_migrate(*options); }; });
}

void add_audit(CLI::App& app, Run& run) {
  auto options = std::make_shared<AuditOptions>();
  CLI::App* audit = app.add_subcommand("audit", "The log of every change of state");
  audit->require_subcommand(1);
  audit->footer("Example:\n  tashika audit verify --config /etc/tashika/tashika.toml");
  CLI::App* verify = audit->add_subcommand("verify", "Check that no row was changed or removed");
  verify->add_option("--config", options->config, "the configuration file")->required();
  verify->add_flag("--json", options->json, "the report as JSON");
  verify->add_option("--expect", options->expect, "an earlier report (--json), kept elsewhere")
      ->check(CLI::ExistingFile);
  verify->footer(
      "Walks each institution's chain of hashes and names the first row that is not what was\n"
      "written; exit 1 then. Whoever owns the database could write a chain anew, or cut it short:\n"
      "a report of yesterday that is kept elsewhere finds that out.\n"
      "Example:\n  tashika audit verify --config tashika.toml --json > today.json\n"
      "  tashika audit verify --config tashika.toml --expect yesterday.json");
  verify->callback([options, &run] { run = [options] { return run_audit_verify(*options); }; });
}

}  // namespace server
