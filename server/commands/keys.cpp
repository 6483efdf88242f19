// tashika keys: the key-encryption key, and what it wraps.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include <algorithm>

#include "server/commands/commands.hpp"
#include "server/platform/token_keys.hpp"
#include "server/store/audit.hpp"
#include "server/store/institutions.hpp"
#include "server/store/key_rotation.hpp"
#include "server/wall_clock.hpp"

namespace server {
namespace {

struct Options {
  std::filesystem::path config;
  bool forget_old = false;
  bool json = false;
  std::string key_id;
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

// In each institution's chain: tokens of all are signed by the same keys.
void audit_token_key(Session& session, const char* verb, const std::string& key_id, pki::Time now) {
  const std::string detail = nlohmann::json{{"kid", key_id}}.dump();
  for (const Institution& one : list_institutions(session)) {
    append_audit(session, now, {"operator", verb, key_id, detail}, one.institution_id);
  }
}

int run_add_token_key(const Options& options) {
  const DatabaseConfig database = database_of(load_config(options.config));
  const pki::Time now = wall_clock();
  KeyRing keys(database.key_encryption_key);
  Connection connection(database);
  Session session(connection);
  const std::string key_id = create_token_key(session, keys, now);
  audit_token_key(session, "token_key.added", key_id, now);
  session.commit();
  fmt::print("{}: verifies at once, and signs in {} s, when all servers have it\n", key_id,
             kTokenKeySignsAfter.count());
  return kExitOk;
}

int run_retire_token_key(const Options& options) {
  const pki::Time now = wall_clock();
  Connection connection(database_of(load_config(options.config)));
  Session session(connection);
  retire_token_key(session, options.key_id, kTokenKeySignsAfter);
  audit_token_key(session, "token_key.retired", options.key_id, now);
  session.commit();
  fmt::print(
      "{}: what it signed is refused in {} s, when all servers know; institutions are told in "
      "their feeds (token.reissue_needed), and get new tokens by POST /v1/consent-tokens/reissue\n",
      options.key_id, kTokenKeysAge.count());
  return kExitOk;
}

int run_tokens(const Options& options) {
  Connection connection(database_of(load_config(options.config)));
  Session session(connection);
  const auto all = token_key_states(session);
  std::vector<TokenKeyState> good;
  std::ranges::copy_if(all, std::back_inserter(good),
                       [](const TokenKeyState& one) { return !one.retired_at; });
  const std::string signs = good.empty() ? std::string() : good[signing_key(good)].key_id;
  nlohmann::ordered_json document = nlohmann::ordered_json::array();
  for (const TokenKeyState& one : all) {
    document.push_back({{"kid", one.key_id},
                        {"state", one.retired_at        ? "retired"
                                  : one.key_id == signs ? "signs"
                                                        : "verifies"},
                        {"created_at", pki::to_string(one.created_at)}});
    if (one.retired_at) document.back()["retired_at"] = pki::to_string(*one.retired_at);
  }
  if (options.json) {
    fmt::print("{}\n", document.dump(2));
    return kExitOk;
  }
  for (const auto& one : document) {
    fmt::print("{}  {}, made {}\n", one["kid"].get<std::string>(), one["state"].get<std::string>(),
               one["created_at"].get<std::string>());
  }
  return kExitOk;
}

void add_token_keys(CLI::App& keys, const std::shared_ptr<Options>& options, Run& run) {
  CLI::App* tokens = keys.add_subcommand("tokens", "The keys that sign consent tokens");
  tokens->add_option("--config", options->config, "the configuration file")->required();
  tokens->add_flag("--json", options->json, "the list as JSON");
  tokens->footer("Example:\n  tashika keys tokens --config /etc/tashika/tashika.toml");
  tokens->callback([options, &run] { run = [options] { return run_tokens(*options); }; });

  CLI::App* add = keys.add_subcommand("add-token-key", "Another key that signs consent tokens");
  add->add_option("--config", options->config, "the configuration file")->required();
  add->footer(
      "It signs once every server knows it; tokens of the keys before stay good. Each "
      "institution's\n"
      "audit has a row of it.\n"
      "Example:\n  tashika keys add-token-key --config /etc/tashika/tashika.toml");
  add->callback([options, &run] { run = [options] { return run_add_token_key(*options); }; });

  CLI::App* retire = keys.add_subcommand("retire-token-key", "Refuse all that a key has signed");
  retire->add_option("kid", options->key_id, "as `tashika keys tokens` names it")->required();
  retire->add_option("--config", options->config, "the configuration file")->required();
  retire->footer(
      "If a key may have been stolen; or when the last token that it signed has ended. Not the "
      "last\n"
      "key: add one first.\n"
      "Example:\n  tashika keys retire-token-key 2026-11-fmpqa2aj --config "
      "/etc/tashika/tashika.toml");
  retire->callback([options, &run] { run = [options] { return run_retire_token_key(*options); }; });
}

}  // namespace

void add_keys(CLI::App& app, Run& run) {
  auto options = std::make_shared<Options>();
  CLI::App* keys = app.add_subcommand(
      "keys", "The key that wraps all keys in the database, and those that sign tokens");
  keys->require_subcommand(1);
  keys->footer(
      "Examples:\n  tashika keys list --config /etc/tashika/tashika.toml\n"
      "  tashika keys rotate --config /etc/tashika/tashika.toml\n"
      "  tashika keys add-token-key --config /etc/tashika/tashika.toml");
  add_token_keys(*keys, options, run);
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
