#include "server/store/connection.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "server/store/ids.hpp"
#include "server/store/sql.hpp"

namespace server {
namespace {

class Listener final : public pqxx::notification_receiver {
 public:
  Listener(pqxx::connection& connection, const char* channel, std::vector<std::string>& heard)
      : pqxx::notification_receiver(connection, channel), heard_(heard) {}
  void operator()(const std::string& payload, int) override { heard_.push_back(payload); }

 private:
  std::vector<std::string>& heard_;
};

// For each new connection. Each of our statements has its index; but what is planned while a table
// is small would read all of it once it is large, until PostgreSQL next looks.
std::string settings(const DatabaseConfig& config, Connection::Role role) {
  return fmt::format(
      "SET search_path = tashika; SET client_encoding = 'UTF8'; SET statement_timeout = {}; SET "
      "lock_timeout = {}; "
      "SET idle_in_transaction_session_timeout = {}; SET client_min_messages = warning; "
      "SET TimeZone = 'UTC'; SET jit = off; SET enable_seqscan = off; {}{}",
      config.statement_timeout.count(), config.statement_timeout.count(),
      2 * config.statement_timeout.count(),
      role == Connection::Role::api ? "SET ROLE tashika_api; " : "", config.settings);
}

constexpr const char* kGrantRoles =
    "as who may grant roles, GRANT tashika_api, tashika_platform TO it";

// The first line of what PostgreSQL or libpq says. Of a connection only: of a statement it may
// quote values.
std::string first_line(std::string text) {
  return text.substr(0, text.find('\n'));
}

}  // namespace

std::string conninfo_of(const DatabaseConfig& config) {
  const std::int64_t patience =
      std::max<std::int64_t>(2, config.connect_timeout / std::chrono::seconds{1});
  const std::array<std::pair<const char*, std::string>, 6> defaults{{
      {"connect_timeout", fmt::format("{}", patience)},
      {"fallback_application_name", "tashika"},
      {"keepalives_idle", "10"},
      {"keepalives_interval", "5"},
      {"keepalives_count", "3"},
      {"tcp_user_timeout", "20000"},
  }};
  const bool is_uri =
      config.url.starts_with("postgresql://") || config.url.starts_with("postgres://");
  std::string out = config.url;
  for (const auto& [name, value] : defaults) {
    if (config.url.find(fmt::format("{}=", name)) != std::string::npos) continue;
    const char* const before = !is_uri ? " " : out.find('?') == std::string::npos ? "?" : "&";
    out += fmt::format("{}{}={}", before, name, value);
  }
  return out;
}

DatabaseConfig by_index(DatabaseConfig config) {
  config.settings = "SET enable_hashjoin = off; SET enable_mergejoin = off";
  return config;
}

void Connection::Native::forget() {
  guard.closed();
  if (listener && connection) connection->disconnect();  // else it says UNLISTEN, and waits
  listener.reset();
  prepared.clear();
  connection.reset();
}

void Connection::Native::connect() {
  forget();
  try {
    connection = std::make_unique<pqxx::connection>(conninfo_of(config));
    const StallGuard::Wait wait(
        guard);  // first: the wait of the connection before may be long over
    guard.connected(connection->sock());
    // One that libpqxx made again behind our back would have neither settings nor role.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    connection->inhibit_reactivation(true);
#pragma GCC diagnostic pop
    pqxx::nontransaction(*connection).exec(settings(config, role));
  } catch (const pqxx::insufficient_privilege&) {
    connection.reset();
    throw DatabaseUnavailable(fmt::format("the database's login lacks a role: {}", kGrantRoles));
  } catch (const pqxx::failure& error) {
    connection.reset();
    throw DatabaseUnavailable(
        fmt::format("the database can't be reached: {}", first_line(error.what())));
  }
}

Connection::Connection(const DatabaseConfig& config, Role role)
    : native_(std::make_unique<Native>(config, role)) {}
Connection::~Connection() = default;
Connection::Connection(Connection&&) noexcept = default;
Connection& Connection::operator=(Connection&&) noexcept = default;

void Connection::require_writable() {
  static constexpr Statement kReadOnly{"connection_read_only", "SHOW transaction_read_only"};
  if (sql::exec_alone(*this, kReadOnly).at(0)[0].as<std::string>() == "on") {
    throw DatabaseUnavailable("the database takes no changes: a standby, or read-only by setting");
  }
}

bool Connection::wait_for_notification(const char* channel, std::chrono::milliseconds timeout) {
  return !wait_for_notifications(channel, timeout).empty();
}

std::vector<std::string> Connection::wait_for_notifications(const char* channel,
                                                            std::chrono::milliseconds timeout) {
  try {
    if (!native_->connection) native_->connect();
    if (!native_->listener) {
      const StallGuard::Wait wait(native_->guard);
      native_->listener = std::make_unique<Listener>(*native_->connection, channel, native_->heard);
    }
    if (native_->heard.empty()) {  // some may have come with the answer to a statement
      native_->connection->await_notification(static_cast<long>(timeout.count() / 1000),
                                              static_cast<long>(timeout.count() % 1000 * 1000));
    }
    return std::exchange(native_->heard, {});
  } catch (const pqxx::failure& error) {
    native_->forget();
    throw DatabaseUnavailable(fmt::format("the database is gone: {}", first_line(error.what())));
  }
}

Session::Native::Native(Connection::Native& on, std::string begin_with)
    : connection(on), opening(std::move(begin_with)) {
  const auto make = [this] {
    transaction = std::make_unique<pqxx::nontransaction>(*connection.connection);
  };
  if (connection.connection) {
    try {  // both read from the socket: why PostgreSQL ended the connection, and then that it did
      connection.connection->get_notifs();
      make();
      if (connection.connection->is_open()) return;
    } catch (const pqxx::failure&) {
    }
    transaction.reset();
  }
  connection.connect();
  make();
}

void Session::Native::flush() {
  if (is_anything_waiting()) static_cast<void>(send({}));
}

std::string Session::Native::waiting() {
  std::string out = opening;
  company.clear();
  for (const Posted& one : posted) {
    out += one.sql + "; ";
    company += fmt::format("{}, ", one.statement->name);
  }
  return out;
}

void Session::Native::commit() {
  const StallGuard::Wait wait(connection.guard, posted.size() + 1);
  const std::string text = waiting();
  opening.clear();
  posted.clear();
  transaction->exec(text + "COMMIT");
  is_open = false;
}

std::optional<pqxx::result> Session::Native::send(const std::string& sql) {
  const std::string text = waiting();
  const std::string begin = std::exchange(opening, {});
  const std::vector<Posted> before = std::exchange(posted, {});
  const StallGuard::Wait wait(connection.guard, before.size() + 1);
  try {
    return transaction->exec(text + sql);
  } catch (const pqxx::failure&) {
    if (begin.empty() || connection.connection->is_open()) throw;
  }
  transaction.reset();
  connection.connect();
  transaction = std::make_unique<pqxx::nontransaction>(*connection.connection);
  transaction->exec(begin);
  for (const Posted& one : before) {
    const StallGuard::Wait each(connection.guard);
    sql::prepare(connection, *one.statement);
    transaction->exec(one.sql);
  }
  return std::nullopt;
}

Session::Native::~Native() {
  const StallGuard::Wait wait(connection.guard);
  try {
    if (transaction && is_open && opening.empty()) {
      // libpqxx would make a dead one anew, without our settings.
      if (!connection.connection->is_open()) throw pqxx::broken_connection();
      transaction->exec("ROLLBACK");
    }
    transaction.reset();
  } catch (const std::exception&) {  // the connection is of no more use
    transaction.reset();
    connection.forget();
  }
}

Session::Session(Connection& connection, const std::string& institution_id)
    : institution_id_(institution_id) {
  if (!is_id(institution_id, kInstitutionId)) {
    throw std::invalid_argument("a transaction needs the institution whose rows it sees");
  }
  const bool is_api = connection.native().role == Connection::Role::api;
  // SET, as a SELECT would be planned each time.
  native_ = std::make_unique<Native>(
      connection.native(),
      fmt::format("BEGIN; {}SET LOCAL app.institution = '{}'; ",
                  is_api ? "" : "SET LOCAL ROLE tashika_api; ", institution_id));
}

Session::Session(Connection& connection)
    : native_(std::make_unique<Native>(connection.native(),
                                       "BEGIN; SET LOCAL ROLE tashika_platform; ")) {}

Session::Session(Connection& connection, Snapshot)
    : native_(std::make_unique<Native>(
          connection.native(),
          "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL ROLE tashika_platform; ")) {}

Session::~Session() = default;

void Session::commit() {
  if (native_->has_failed || !native_->is_open) {
    throw std::logic_error("a transaction that failed was to be committed");
  }
  try {
    const bool is_empty = !native_->opening.empty() && native_->posted.empty();
    if (!is_empty) native_->commit();
  } catch (const std::exception&) {
    native_->has_failed = true;
    sql::rethrow(native_->company + "commit");
  }
}

namespace sql {

void rethrow(const std::string& statement) {
  try {
    throw;
  } catch (const pqxx::broken_connection&) {
    throw DatabaseUnavailable(fmt::format("the database went away during {}", statement));
  } catch (const pqxx::deadlock_detected&) {  // no sql_error to libpqxx, nor is the next one
    throw Conflict(fmt::format("statement {} was in a deadlock", statement), "40P01");
  } catch (const pqxx::serialization_failure&) {
    throw Conflict(fmt::format("statement {} can't be serialized", statement), "40001");
  } catch (const pqxx::insufficient_privilege&) {  // has no SQLSTATE to libpqxx
    throw DatabaseError(fmt::format("statement {} is not allowed to the database's login: {}",
                                    statement, kGrantRoles),
                        "42501");
  } catch (const pqxx::undefined_table&) {
    throw DatabaseError(
        fmt::format("statement {} misses its table: run `tashika migrate`", statement), "42P01");
  } catch (const pqxx::sql_error& error) {
    const std::string state = error.sqlstate();
    const std::string text = fmt::format("statement {} failed with SQLSTATE {}", statement, state);
    if (state == "23505") throw AlreadyThere(text, state);
    if (state == "TK001") throw NotAsRequired(text, state);  // of require() in migrations/0001
    if (state == "55P03") throw Conflict(text, state);
    // Cancelled by a time-out, shutting down, disk full or failing; a standby, or a schema that
    // changed beneath what was prepared: another connection may do better.
    const bool is_passing = state.starts_with("57") || state.starts_with("53") ||
                            state.starts_with("58") || state == "25006" || state == "0A000" ||
                            state == "26000";
    if (is_passing) throw DatabaseUnavailable(text);
    throw DatabaseError(text, state);
  } catch (const pqxx::failure&) {
    throw DatabaseUnavailable(fmt::format("the database did not finish {}", statement));
  }
}

void prepare(Connection::Native& connection, const Statement& statement) {
  if (connection.prepared.contains(statement.name)) return;
  connection.connection->prepare(statement.name, statement.text);
  connection.connection->prepare_now(statement.name);  // not when exec_prepared() is first called
  connection.prepared.emplace(statement.name);
}

std::string timestamp(pki::Time time) {
  return fmt::format("{}", pki::to_string(time));
}

std::optional<std::string> timestamp(const std::optional<pki::Time>& time) {
  if (!time) return std::nullopt;
  return timestamp(*time);
}

pqxx::binarystring bytea(pki::Bytes bytes) {
  return pqxx::binarystring(bytes.data(), bytes.size());
}

std::string text_array(const std::vector<std::string>& texts) {
  std::string out = "{";
  for (const std::string& text : texts) {
    if (out.size() > 1) out += ',';
    out += '"';
    for (const char c : text) {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
    out += '"';
  }
  out += '}';
  return out;
}

pki::Time time(const pqxx::field& field) {
  return pki::Time{std::chrono::seconds{field.as<std::int64_t>()}};
}

std::optional<pki::Time> optional_time(const pqxx::field& field) {
  if (field.is_null()) return std::nullopt;
  return time(field);
}

std::vector<std::uint8_t> bytes(const pqxx::field& field) {
  const pqxx::binarystring binary(field);
  return {binary.data(), binary.data() + binary.size()};
}

std::optional<std::string> optional_text(const pqxx::field& field) {
  if (field.is_null()) return std::nullopt;
  return field.as<std::string>();
}

std::vector<std::string> texts(const pqxx::field& field) {
  std::vector<std::string> out;
  auto parser = field.as_array();
  for (auto next = parser.get_next(); next.first != pqxx::array_parser::juncture::done;
       next = parser.get_next()) {
    if (next.first == pqxx::array_parser::juncture::string_value) out.push_back(next.second);
  }
  return out;
}

}  // namespace sql
}  // namespace server
