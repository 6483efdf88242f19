#include "server/api/database_watch.hpp"

#include <fmt/format.h>

#include "server/log.hpp"
#include "server/platform/token_keys.hpp"
#include "server/store/migration.hpp"

namespace server {
namespace {

constexpr std::chrono::milliseconds kWait{500};    // for a notification, so for the end, too
constexpr std::chrono::milliseconds kPause{1000};  // after a failure

// What keeps this program from using that schema; empty if nothing does.
std::string schema_fault(const DatabaseConfig& config) {
  using State = MigrationStatus::State;
  for (const MigrationStatus& one : migration_status(config)) {
    switch (one.state) {
      case State::applied: break;
      case State::pending: return fmt::format("{} is pending: run `tashika migrate`", one.name);
      case State::changed:
        return fmt::format("{} was applied with another text than this program's", one.name);
      case State::unknown: return fmt::format("{} is of a newer program than this one", one.name);
    }
  }
  return {};
}

}  // namespace

DatabaseWatch::DatabaseWatch(const DatabaseConfig& config, CallerCache& callers, KeyRing& keys,
                             std::function<pki::Time()> clock)
    : config_(config), callers_(callers), keys_(keys), clock_(std::move(clock)), thread_([this] {
        run();
      }) {}

DatabaseWatch::~DatabaseWatch() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

std::string DatabaseWatch::fault() const {
  const std::lock_guard lock(mutex_);
  return fault_;
}

void DatabaseWatch::set_fault(std::string fault) {
  const std::lock_guard lock(mutex_);
  if (fault != fault_) {
    log(fault.empty() ? Level::info : Level::warning,
        fault.empty() ? "database_ready" : "database_not_ready", {{"fault", fault}});
  }
  fault_ = std::move(fault);
}

bool DatabaseWatch::is_ending() const {
  const std::lock_guard lock(mutex_);
  return ending_;
}

void DatabaseWatch::run() {
  std::optional<Connection> connection;
  while (!is_ending()) {
    try {
      check(connection);
      continue;
    } catch (const std::exception& error) {
      // Of a connection, a schema or a key: none of these texts holds data.
      connection.reset();
      set_fault(error.what());
    }
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, kPause, [this] { return ending_; });
  }
}

void DatabaseWatch::check(std::optional<Connection>& connection) {
  if (!connection) {
    std::string fault = schema_fault(config_);
    if (!fault.empty()) throw std::runtime_error(fault);
    connection.emplace(config_, Connection::Role::api);  // as the pool
    create_first_token_key(*connection, keys_, clock_());
    callers_.clear();  // what was announced meanwhile was not heard
    set_fault({});
  }
  connection->require_writable();
  if (connection->wait_for_notification(kInstitutionsChannel, kWait)) callers_.clear();
}

}  // namespace server
