// sql.hpp: libpqxx, for the files of this directory only. A statement is a named constant with its
// text; it is prepared when a connection first needs it.
#pragma once

#include <bit>
#include <cstdint>
#include <optional>
#include <pqxx/pqxx>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libpki/asn1_time.hpp"
#include "libpki/bytes.hpp"
#include "server/store/connection.hpp"
#include "server/store/stall_guard.hpp"

namespace server {

struct Statement {
  const char* name;  // in errors and in pg_prepared_statements
  const char* text;
};

struct Connection::Native {
  Native(const DatabaseConfig& database, Role between_sessions)
      : config(database), role(between_sessions) {
    connect();
  }
  ~Native() { forget(); }
  void connect();
  void forget();  // what there is of a connection; the next use makes another

  // After PostgreSQL should have given up a statement, what its answer may take to get here.
  static constexpr std::chrono::milliseconds kAnswerDelay{2'000};

  DatabaseConfig config;
  Role role;
  StallGuard guard{config.statement_timeout + kAnswerDelay};
  std::unique_ptr<pqxx::connection> connection;
  std::set<std::string, std::less<>> prepared;
  // Of wait_for_notification; goes before the connection that it listens on.
  std::unique_ptr<pqxx::notification_receiver> listener;
  std::vector<std::string> heard;  // since they were last asked for
};

// What needs no answer travels with what does: the transaction's beginning with its first
// statement, and what post() was given with the next one, or with the commit.
struct Session::Native {
  Native(Connection::Native& on, std::string begin_with);
  ~Native();
  [[nodiscard]] bool is_anything_waiting() const { return !opening.empty() || !posted.empty(); }
  // Sends what waits, if there is any.
  void flush();
  // Sends what waits and this SQL in one round trip; what the last statement gives. Nothing if the
  // connection died before the transaction was known to have begun: it has begun on another one
  // then, with what was posted, and the SQL is not sent.
  [[nodiscard]] std::optional<pqxx::result> send(const std::string& sql);
  // Sends what waits, and the end. Once only, whatever of it is new to PostgreSQL: if the
  // connection dies, nobody knows whether it was done.
  void commit();
  // What waits, as SQL; notes it as company.
  [[nodiscard]] std::string waiting();

  Connection::Native& connection;
  // BEGIN and COMMIT are ours.
  std::unique_ptr<pqxx::nontransaction> transaction;
  // What waits: the transaction's beginning, until it was sent; then what was posted.
  std::string opening;
  struct Posted {
    const Statement* statement;
    std::string sql;
  };
  std::vector<Posted> posted;
  std::string company;  // names of what travelled with the last statement, for its errors
  bool is_open = true;
  bool has_failed = false;  // a statement did: there is nothing to commit
};

namespace sql {

// Parameters as PostgreSQL reads them: a moment, a byte string, an array of texts.
[[nodiscard]] std::string timestamp(pki::Time time);
[[nodiscard]] std::optional<std::string> timestamp(const std::optional<pki::Time>& time);
[[nodiscard]] pqxx::binarystring bytea(pki::Bytes bytes);
[[nodiscard]] std::string text_array(const std::vector<std::string>& texts);
// Of 64 bits, which PostgreSQL takes for signed.
[[nodiscard]] inline std::int64_t number(std::uint64_t value) {
  return std::bit_cast<std::int64_t>(value);
}

// Fields back. A moment must be selected as `extract(epoch from …)::bigint`.
[[nodiscard]] pki::Time time(const pqxx::field& field);
[[nodiscard]] std::optional<pki::Time> optional_time(const pqxx::field& field);
[[nodiscard]] std::vector<std::uint8_t> bytes(const pqxx::field& field);
[[nodiscard]] std::optional<std::string> optional_text(const pqxx::field& field);
[[nodiscard]] std::vector<std::string> texts(const pqxx::field& field);

// Names what happened, and turns libpqxx's exceptions into ours. Called in a catch block.
[[noreturn]] void rethrow(const std::string& statement);

void prepare(Connection::Native& connection, const Statement& statement);

// Optionals become NULL or their value.
template <class T>
auto parameter(const T& value) {
  return value;
}
inline const char* parameter(const std::optional<std::string>& value) {
  return value ? value->c_str() : nullptr;
}
inline std::string parameter(std::string_view value) {
  return std::string(value);
}

// "EXECUTE name(…)", for a statement that is prepared.
template <class... Arguments>
std::string execute(pqxx::connection& connection, const Statement& statement,
                    const Arguments&... arguments) {
  std::string list;
  ((list += list.empty() ? '(' : ',', list += connection.quote(parameter(arguments))), ...);
  if (!list.empty()) list += ')';
  return std::string("EXECUTE ").append(statement.name).append(list);
}

template <class... Arguments>
pqxx::result exec(Session& session, const Statement& statement, const Arguments&... arguments) {
  Session::Native& native = session.native();
  const StallGuard::Wait wait(native.connection.guard);
  try {
    if (!native.connection.prepared.contains(statement.name)) {
      native.flush();  // prepared by who will run it
      prepare(native.connection, statement);
    }
    if (native.is_anything_waiting()) {
      auto result = native.send(execute(*native.connection.connection, statement, arguments...));
      if (result) return *std::move(result);
      prepare(native.connection, statement);
    }
    native.company.clear();
    return native.transaction->exec_prepared(statement.name, parameter(arguments)...);
  } catch (const std::exception&) {
    native.has_failed = true;
    rethrow(native.company + statement.name);
  }
}

// For a statement whose answer nobody needs: its error is that of whatever it travels with. The
// statement lives as long as the program.
template <class... Arguments>
void post(Session& session, const Statement& statement, const Arguments&... arguments) {
  Session::Native& native = session.native();
  if (!native.connection.prepared.contains(statement.name)) {
    exec(session, statement, arguments...);
    return;
  }
  native.posted.push_back(
      {&statement, execute(*native.connection.connection, statement, arguments...)});
}

// A statement alone, which is a transaction of its own: one round trip. No role and no institution
// are set (it is whoever the connection is between sessions): only for functions of the schema that
// set both themselves (feed_page), or for what the platform sees. It must have no effect: on a
// connection that turns out to be dead, and whenever the answer was lost, it is run again.
template <class... Arguments>
pqxx::result exec_alone(Connection& on, const Statement& statement, const Arguments&... arguments) {
  Connection::Native& native = on.native();
  for (bool is_first = true;; is_first = false) {
    try {
      if (!native.connection) native.connect();
      const StallGuard::Wait wait(native.guard);
      prepare(native, statement);
      return pqxx::nontransaction(*native.connection)
          .exec_prepared(statement.name, parameter(arguments)...);
    } catch (const pqxx::failure&) {
      const bool is_dead = native.connection && !native.connection->is_open();
      if (is_dead) native.forget();
      if (!is_dead || !is_first) rethrow(statement.name);
    }
  }
}

}  // namespace sql
}  // namespace server
