// migration.hpp: the steps of the database's schema. Numbered, forward only, each applied once and
// in one transaction; the texts are part of the program (migrations/*.sql).
#pragma once

#include <string>
#include <vector>

#include "libpki/asn1_time.hpp"
#include "server/platform_config.hpp"

namespace server {

struct Migration {
  std::string name;  // "0001_tenants"
  std::string text;  // SQL
};

// In order.
[[nodiscard]] const std::vector<Migration>& migrations();

struct MigrationStatus {
  enum class State : std::uint8_t {
    applied,
    pending,
    changed,  // applied with another text than ours: nothing more is applied
    unknown,  // applied, and not among ours: the database is of a newer program
  };
  std::string name;
  State state = State::pending;
  std::optional<pki::Time> applied_at;
};

// What is applied and what is not. Throws DatabaseUnavailable.
[[nodiscard]] std::vector<MigrationStatus> migration_status(const DatabaseConfig& config);

// Applies what is pending; two at once take turns. Returns the names of what was applied.
// Throws DatabaseUnavailable, DatabaseError (which names the step; the steps before it stand), and
// std::runtime_error if a step was changed or is unknown.
std::vector<std::string> migrate(const DatabaseConfig& config, pki::Time now);

}  // namespace server
