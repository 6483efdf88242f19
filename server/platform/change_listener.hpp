// change_listener.hpp: tells a process's waiting room what happened in the feeds: one thread and
// one connection, however many wait.
#pragma once

#include <chrono>
#include <stop_token>
#include <thread>

#include "server/platform/waiting_room.hpp"
#include "server/store/connection.hpp"

namespace server {

// Listens to what fan-out tells, on whatever server it runs. Once a second it also asks where the
// feeds with waiters end, in one query: a notification may get lost with a connection.
class ChangeListener {
 public:
  static constexpr std::chrono::milliseconds kPoll{1'000};

  // The room must live as long. Works without the database until it is there.
  ChangeListener(DatabaseConfig database, WaitingRoom& room);
  ~ChangeListener();

 private:
  void run(const std::stop_token& stop);
  void listen(Connection& connection, std::chrono::milliseconds at_most);
  void poll(Connection& connection);

  const DatabaseConfig database_;
  WaitingRoom& room_;
  std::jthread thread_;  // the last: it uses the others
};

}  // namespace server
