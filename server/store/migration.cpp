#include "server/store/migration.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "libpki/crypto.hpp"
#include "server/store/sql.hpp"

namespace server {
namespace {

using State = MigrationStatus::State;

constexpr const char* kLock = "SELECT pg_advisory_lock(7410)";
constexpr const char* kUnlock = "SELECT pg_advisory_unlock(7410)";
constexpr const char* kTable =
    "CREATE SCHEMA IF NOT EXISTS tashika; "
    "CREATE TABLE IF NOT EXISTS tashika.migration (name text PRIMARY KEY, sha256 text NOT NULL, "
    "applied_at timestamptz NOT NULL)";
constexpr const char* kApplied =
    "SELECT name, sha256, extract(epoch FROM applied_at)::bigint FROM tashika.migration ORDER BY "
    "name";
constexpr const char* kRecord = "INSERT INTO tashika.migration VALUES ($1, $2, $3)";

std::string checksum(const Migration& migration) {
  return pki::to_hex(
      pki::digest(pki::DigestAlgorithm::sha256, pki::as_bytes(migration.text)).bytes());
}

std::vector<MigrationStatus> compare(const pqxx::result& applied) {
  std::vector<MigrationStatus> out;
  for (const Migration& migration : migrations()) {
    const auto row = std::find_if(applied.begin(), applied.end(), [&](const pqxx::row& one) {
      return one[0].as<std::string>() == migration.name;
    });
    if (row == applied.end()) {
      out.push_back({migration.name, State::pending, std::nullopt});
    } else {
      const bool same = (*row)[1].as<std::string>() == checksum(migration);
      out.push_back({migration.name, same ? State::applied : State::changed, sql::time((*row)[2])});
    }
  }
  for (const pqxx::row& row : applied) {
    const auto name = row[0].as<std::string>();
    if (std::ranges::find(migrations(), name, &Migration::name) == migrations().end()) {
      out.push_back({name, State::unknown, sql::time(row[2])});
    }
  }
  return out;
}

// Of a schema change PostgreSQL's own words are wanted: there are no values in it.
std::runtime_error step_failed(const std::string& name, const std::exception& error) {
  return std::runtime_error(
      fmt::format("migration {} failed and was undone: {}", name, error.what()));
}

void refuse_strangers(const std::vector<MigrationStatus>& steps) {
  for (const MigrationStatus& step : steps) {
    if (step.state == State::changed) {
      throw std::runtime_error(
          fmt::format("migration {} was applied with another text than this program has: what was "
                      "applied is never edited; use the program that the database belongs to",
                      step.name));
    }
    if (step.state == State::unknown) {
      throw std::runtime_error(fmt::format(
          "the database has migration {}, which this program does not know: it belongs to a newer "
          "version",
          step.name));
    }
  }
}

}  // namespace

std::vector<MigrationStatus> migration_status(const DatabaseConfig& config) {
  Connection connection(config);
  try {
    pqxx::nontransaction reader(*connection.native().connection);
    const bool exists = !reader.exec1("SELECT to_regclass('tashika.migration')::text")[0].is_null();
    return compare(exists ? reader.exec(kApplied) : pqxx::result());
  } catch (const pqxx::failure&) {
    sql::rethrow("migration_status");
  }
}

std::vector<std::string> migrate(const DatabaseConfig& config, pki::Time now) {
  Connection owner(config);
  pqxx::connection& connection = *owner.native().connection;
  std::vector<std::string> out;
  const auto run = [&](const char* text) { return pqxx::nontransaction(connection).exec(text); };
  run("SET statement_timeout = 0; SET lock_timeout = 0");
  run(kLock);  // gone with the connection, if it breaks
  run(kTable);
  const auto steps = compare(run(kApplied));
  refuse_strangers(steps);
  connection.prepare("migration_record", kRecord);
  for (const Migration& migration : migrations()) {
    const auto step = std::ranges::find(steps, migration.name, &MigrationStatus::name);
    if (step->state == State::applied) continue;
    try {
      pqxx::work work(connection);
      work.exec(migration.text);
      work.exec_prepared("migration_record", migration.name, checksum(migration),
                         sql::timestamp(now));
      work.commit();
    } catch (const pqxx::failure& error) {
      throw step_failed(migration.name, error);
    }
    out.push_back(migration.name);
  }
  run(kUnlock);
  return out;
}

}  // namespace server
