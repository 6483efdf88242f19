// commands.hpp: the subcommands of the program. Each add_… declares its options and gives `run`
// what to do when it was called.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "server/config.hpp"

namespace server {

// Exit codes of every command.
inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;  // refused or failed; what was in force still is
inline constexpr int kExitUsage = 2;   // wrong usage or configuration

// "1 issuer", "2 issuers", for nouns that take an s.
[[nodiscard]] inline std::string counted(std::uint64_t count, std::string_view noun) {
  return std::to_string(count) + ' ' + std::string(noun) + (count == 1 ? "" : "s");
}

// The section [database], for commands that need it; without it, a ConfigError that says so. From
// here on no core dump shows what they read.
[[nodiscard]] DatabaseConfig database_of(const Config& config);

// What main runs once the command line was understood.
using Run = std::function<int()>;

void add_ingest(CLI::App& app, Run& run);
void add_serve(CLI::App& app, Run& run);
void add_index(CLI::App& app, Run& run);
void add_inspect(CLI::App& app, Run& run);
void add_migrate(CLI::App& app, Run& run);
void add_institution_commands(CLI::App& app, Run& run);
void add_audit(CLI::App& app, Run& run);
void add_feed(CLI::App& app, Run& run);
void add_keys(CLI::App& app, Run& run);

}  // namespace server
