// connection.hpp: a connection to PostgreSQL, and transactions on it. Blocking: only for the
// threads of the Database's pool, and for commands. Nothing of libpqxx shows here; the SQL is in
// the other files of this directory, which include sql.hpp.
#pragma once

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "server/platform_config.hpp"

namespace server {

// The database can't be reached, is overloaded, or did not answer in time. Nobody's fault who
// asked.
class DatabaseUnavailable : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A statement failed for a reason that only a bug or a wrong schema explains. The text has the
// statement's name and SQLSTATE, never values: PostgreSQL quotes rows in its messages.
class DatabaseError : public std::runtime_error {
 public:
  DatabaseError(const std::string& text, std::string sqlstate)
      : std::runtime_error(text), sqlstate_(std::move(sqlstate)) {}
  [[nodiscard]] const std::string& sqlstate() const { return sqlstate_; }

 private:
  std::string sqlstate_;
};

// A row that must be the only one of its kind is there already.
class AlreadyThere : public DatabaseError {
 public:
  using DatabaseError::DatabaseError;
};

// What a statement that was posted (sql.hpp) had to find did not hold, so nothing of its
// transaction was done.
class NotAsRequired : public DatabaseError {
 public:
  using DatabaseError::DatabaseError;
};

// Another transaction was in the way: do it all again. Database::run does.
class Conflict : public DatabaseError {
 public:
  using DatabaseError::DatabaseError;
};

// The URL with what it leaves open: how long to wait for a connection, and how soon a host that
// vanished without a word is noticed. (The server's own time-outs do not help then.)
[[nodiscard]] std::string conninfo_of(const DatabaseConfig& config);

// One connection. One thread at a time.
class Connection {
 public:
  // As whom it is between sessions. Sessions of institutions need not set their role on a
  // connection that has it; others set their own either way.
  enum class Role : std::uint8_t { login, api };
  // Connects. Throws DatabaseUnavailable, which says to what and why, without a password.
  explicit Connection(const DatabaseConfig& config, Role role = Role::login);
  ~Connection();
  Connection(Connection&&) noexcept;
  Connection& operator=(Connection&&) noexcept;

  // Throws DatabaseUnavailable unless it answers, and takes changes: a standby does not.
  void require_writable();

  // Waits until somebody notifies on `channel`, up to a time; true if somebody did. The first call
  // begins to listen. Throws DatabaseUnavailable.
  bool wait_for_notification(const char* channel, std::chrono::milliseconds timeout);
  // The same; returns what the notifications said.
  [[nodiscard]] std::vector<std::string> wait_for_notifications(const char* channel,
                                                                std::chrono::milliseconds timeout);

  struct Native;  // sql.hpp
  [[nodiscard]] Native& native() { return *native_; }

 private:
  std::unique_ptr<Native> native_;
};

// For a connection whose statements join a batch with large tables: the cost of one follows the
// batch, where the planner, which has to guess how large it is, might read the tables.
[[nodiscard]] DatabaseConfig by_index(DatabaseConfig config);

// One transaction, rolled back unless committed. READ COMMITTED, if not said otherwise.
class Session {
 public:
  // Sees and writes the rows of that institution, and no others (row-level security).
  Session(Connection& connection, const std::string& institution_id);
  // Sees and writes all rows: for what belongs to the platform (fan-out, detection, commands).
  explicit Session(Connection& connection);
  // The platform's, and all of it as it was when it began. Writes nothing.
  struct Snapshot {};
  Session(Connection& connection, Snapshot);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void commit();

  // Empty for the platform's.
  [[nodiscard]] const std::string& institution_id() const { return institution_id_; }
  struct Native;  // sql.hpp
  [[nodiscard]] Native& native() { return *native_; }

 private:
  std::string institution_id_;
  std::unique_ptr<Native> native_;
};

}  // namespace server
