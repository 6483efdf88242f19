#include "server/platform/job_thread.hpp"

#include <optional>

#include "server/platform/pause.hpp"

namespace server {
namespace {

constexpr std::chrono::seconds kLookEvery{1};

}  // namespace

JobThread::JobThread(std::string name, DatabaseConfig database, std::function<pki::Time()> clock,
                     Look look)
    : database_(std::move(database)),
      clock_(std::move(clock)),
      look_(std::move(look)),
      figures_(std::move(name)) {}

void JobThread::start() {
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

void JobThread::request_stop() {
  thread_.request_stop();
}

void JobThread::stop() {
  request_stop();
  if (thread_.joinable()) thread_.join();
}

void JobThread::run(const std::stop_token& stop) {
  std::optional<Connection> connection;
  std::optional<KeyRing> keys;
  while (!stop.stop_requested()) {
    try {
      if (!keys) keys.emplace(database_.key_encryption_key);
      if (!connection) connection.emplace(database_);
      look_(*connection, *keys, stop);
      is_up_ = true;
      figures_.succeeded(clock_());
    } catch (const std::exception& error) {
      connection.reset();
      is_up_ = false;
      figures_.failed(error.what());
    }
    pause(stop, kLookEvery);
  }
}

}  // namespace server
