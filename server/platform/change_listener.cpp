#include "server/platform/change_listener.hpp"

#include <algorithm>
#include <optional>
#include <sstream>

#include "server/log.hpp"
#include "server/platform/pause.hpp"
#include "server/store/feed.hpp"

namespace server {
namespace {

constexpr std::chrono::milliseconds kSlice{
    250};  // how late the thread may notice that it is to end

}  // namespace

ChangeListener::ChangeListener(DatabaseConfig database, WaitingRoom& room)
    : database_(std::move(database)),
      room_(room),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

ChangeListener::~ChangeListener() = default;

void ChangeListener::run(const std::stop_token& stop) {
  using Clock = std::chrono::steady_clock;
  std::optional<Connection> connection;
  bool is_down = false;
  Clock::time_point next_poll = Clock::now();
  while (!stop.stop_requested()) {
    try {
      if (!connection) connection.emplace(database_);
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(next_poll - Clock::now());
      listen(*connection, std::clamp(left, std::chrono::milliseconds{0}, kSlice));
      if (Clock::now() >= next_poll) {
        poll(*connection);
        next_poll = Clock::now() + kPoll;
      }
      is_down = false;
    } catch (const std::exception& error) {
      if (!std::exchange(is_down, true)) {
        log(Level::warning, "change_listener_down", {{"error", error.what()}});
      }
      connection.reset();
      pause(stop, kPoll);
    }
  }
}

void ChangeListener::listen(Connection& connection, std::chrono::milliseconds at_most) {
  for (const std::string& told : connection.wait_for_notifications(kChangesChannel, at_most)) {
    if (told.empty()) {
      room_.tell_all();
      continue;
    }
    std::istringstream words(told);
    room_.tell({std::istream_iterator<std::string>(words), {}});
  }
}

void ChangeListener::poll(Connection& connection) {
  const std::vector<std::string> institutions = room_.institutions();
  if (institutions.empty()) return;
  for (const auto& [institution_id, last_pos] : feed_ends(connection, institutions)) {
    room_.tell_end(institution_id, last_pos);
  }
}

}  // namespace server
