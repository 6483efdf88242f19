// tashika keys: the key-encryption key, and what it wraps.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "server/commands/commands.hpp"
#include "server/store/key_rotation.hpp"
#include "server/wall_clock.hpp"

namespace server {
namespace {

struct Options {
  std::filesystem::path config;
  bool forget_old = false;
  bool json = false;
};

int run_list(const Options& options) {
  const DatabaseConfig database = database_of(load_config(options.config));
  Connection connection(database);
  Session session(connection);
  auto wraps = count_wrapped(session);
  nlohmann::ordered_json document = nlohmann::ordered_json::array();
  const auto add = [&](const std::string& id, bool is_in_file, bool is_newest) {
    document.push_back(
        {{"kek", id}, {"wraps", wraps[id]}, {"in_file", is_in_file}, {"newest", is_newest}});
    wraps.erase(id);
  };
  for (const std::string& id : KeyFile(database.key_encryption_key).ids()) {
    add(id, true, document.empty());
  }
  while (!wraps.empty()) add(std::string(wraps.begin()->first), false, false);
  if (options.json) {
    fmt::print("{}\n", document.dump(2));
    return kExitOk;
  }
  for (const auto& one : document) {
    fmt::print("{}  wraps {}{}\n", one["kek"].get<std::string>(),
               counted(one["wraps"].get<std::uint64_t>(), "key"),
               one["newest"].get<bool>()    ? ", newest"
               : one["in_file"].get<bool>() ? ""
                                            : ", NOT in the file");
  }
  return kExitOk;
}

int run_rotate(const Options& options) {
  const DatabaseConfig database = database_of(load_config(options.config));
  Connection connection(database);
  const RotationReport report = rotate_keys(connection, database.key_encryption_key, wall_clock());
  if (options.forget_old) KeyFile::keep_newest(database.key_encryption_key);
  if (options.json) {
    fmt::print("{}\n", nlohmann::ordered_json{{"kek", report.kek},
                                              {"new", report.is_new},
                                              {"keys", report.keys},
                                              {"institutions", report.institutions}}
                           .dump(2));
  } else {
    fmt::print("wrapped {}, of {} and the platform, by {} {}\n", counted(report.keys, "key"),
               counted(report.institutions, "institution"),
               report.is_new ? "the new" : "the file's first", report.kek);
  }
  return kExitOk;
}

}  // namespace

void add_keys(CLI::App& app, Run& run) {
  auto options = std::make_shared<Options>();
  CLI::App* keys = app.add_subcommand("keys", "The key that wraps all keys in the database");
  keys->require_subcommand(1);
  keys->footer(
      "Examples:\n  tashika keys list --config /etc/tashika/tashika.toml\n"
      "  tashika keys rotate --config /etc/tashika/tashika.toml");
  CLI::App* rotate = keys->add_subcommand("rotate", "Wrap all keys by a new key-encryption key");
  rotate->add_option("--config", options->config, "the configuration file")->required();
  rotate->add_flag("--forget-old", options->forget_old,
                   "take the old keys out of the file: backups of the database then need a copy");
  rotate->add_flag("--json", options->json, "the result as JSON");
  rotate->footer(
      "Puts a new key in the first line of `key_encryption_key` of [database] and wraps by it "
      "what\n"
      "the others wrapped; sealed columns stay as they are. Servers go on, and read the file "
      "again\n"
      "when they need to. May be interrupted and run again: where the first line did not wrap all\n"
      "keys yet, no new one is made. So, for servers on several machines: put the new line\n"
      "(`openssl rand -hex 32`) first in each one's file, then run this once.\n"
      "Example:\n  tashika keys rotate --config /etc/tashika/tashika.toml");
  rotate->callback([options, &run] { run = [options] { return run_rotate(*options); }; });
  CLI::App* list = keys->add_subcommand("list", "How many keys each key-encryption key wraps");
  list->add_option("--config", options->config, "the configuration file")->required();
  list->add_flag("--json", options->json, "the list as JSON");
  list->footer(
      "Names each by the beginning of its SHA-256. One that is not in the file is lost, or in a\n"
      "copy of the file.\nExample:\n  tashika keys list --config /etc/tashika/tashika.toml");
  list->callback([options, &run] { run = [options] { return run_list(*options); }; });
}

}  // namespace server
