// feed_driver: the feed without HTTP. Reads a command a line from standard input, answers each with
// a line of JSON; dies like any process that is killed.
//   feed_driver prepare URL KEK N        makes the schema and N institutions, and says their ids
//   feed_driver write URL NAME N         runs N transactions that put events; some roll back
//   feed_driver serve URL KEK OPTIONS    publishes, listens, and answers what it is asked
#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <iostream>
#include <random>

#include "server/platform/change_listener.hpp"
#include "server/platform/changes_service.hpp"
#include "server/platform/fan_out.hpp"
#include "server/platform/problem.hpp"
#include "server/store/institutions.hpp"
#include "server/store/migration.hpp"

namespace {

namespace asio = boost::asio;
using nlohmann::json;

pki::Time wall_clock() {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

void say(const json& line) {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  std::cout << line.dump() << '\n' << std::flush;
}

// A database that restarts on a busy machine takes its time: what it misses meanwhile tells
// nothing.
void wait_for(const server::DatabaseConfig& database) {
  constexpr int kAttempts = 600;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    std::this_thread::sleep_for(std::chrono::milliseconds{50});
    try {
      const server::Connection connection(database);
      return;
    } catch (const server::DatabaseUnavailable&) {
    }
  }
}

// Each line that comes names the institution; events are numbered by `key`, so that the test can
// tell which were committed. A commit whose answer was lost is "unknown".
int write(const server::DatabaseConfig& database, const std::string& name, int count) {
  std::vector<std::string> institutions;
  for (std::string line; std::getline(std::cin, line) && !line.empty();) {
    institutions.push_back(line);
  }
  std::mt19937 dice(static_cast<unsigned>(std::hash<std::string>{}(name)));
  std::optional<server::Connection> connection;
  for (int i = 0; i < count; ++i) {
    const std::string& institution = institutions[dice() % institutions.size()];
    const std::string key = fmt::format("{}-{}", name, i);
    const bool rolls_back = dice() % 10 == 0;
    const char* outcome = "failed";
    try {
      if (!connection) connection.emplace(database);
      server::Session session(*connection, institution);
      std::vector<server::Event> events(1 + dice() % 3);
      for (std::size_t n = 0; n < events.size(); ++n) {
        events[n].type = server::EventType::subject_update_available;
        events[n].consent_id = "cns_aaaaaaaaaaaaaaaaaaaaaaaaaa";
        events[n].subject_id = "sub_aaaaaaaaaaaaaaaaaaaaaaaaaa";
        events[n].occurred_at = wall_clock();
        events[n].members = {{"key", key}, {"n", n}, {"of", events.size()}};
      }
      server::put_events(session, events);
      std::this_thread::sleep_for(std::chrono::microseconds{dice() % 8000});
      if (rolls_back) {
        outcome = "rolled back";
      } else {
        outcome = "unknown";
        session.commit();
        outcome = "committed";
      }
    } catch (const std::exception&) {
      wait_for(database);
    }
    say({{"key", key}, {"institution", institution}, {"outcome", outcome}});
  }
  return 0;
}

int prepare(const server::DatabaseConfig& database, int count) {
  server::migrate(database, wall_clock());
  server::KeyRing::create_if_missing(database, wall_clock());
  server::Connection connection(database);
  for (int i = 0; i < count; ++i) {
    server::Session session(connection);
    const std::string id =
        server::add_institution(session, fmt::format("bank-{}", i), wall_clock());
    session.commit();
    say(id);
  }
  return 0;
}

class Driver {
 public:
  Driver(const server::DatabaseConfig& config, const json& options)
      : database_(config),
        keys_(config.key_encryption_key),
        cursors_(keys_, options.value("environment", "production")),
        service_(database_, room_, cursors_) {
    server::FanOut::Options fan_out;
    fan_out.tick = std::chrono::milliseconds{options.value("tick", 50)};
    fan_out.batch = options.value("batch", std::size_t{5000});
    fan_out.life = std::chrono::hours{options.value("life_hours", 400 * 24)};
    fan_out.prune_batch = options.value("prune_batch", std::size_t{1000});
    fan_out.measure_every = std::chrono::seconds{options.value("measure_seconds", 5)};
    fan_out.clock = wall_clock;
    fan_out.is_borne_out = [](pki::Time) { return true; };
    if (options.value("publish", true)) fan_out_.emplace(config, fan_out);
    if (options.value("listen", true)) listener_.emplace(config, room_);
  }

  void run() {
    auto work = asio::make_work_guard(loop_);
    std::thread worker([this] { loop_.run(); });
    for (std::string line; std::getline(std::cin, line);) {
      asio::co_spawn(loop_, answer(json::parse(line)), asio::detached);
    }
    room_.drain();
    work.reset();  // the loop ends when all are answered: nothing of theirs is left in it
    worker.join();
  }

 private:
  asio::awaitable<void> answer(json command) {
    json out{{"id", command.value("id", 0)}};
    try {
      const json acted = co_await act(command);
      out.update(acted);
    } catch (const server::Problem& problem) {
      out["problem"] = problem.what();
    } catch (const server::DatabaseUnavailable&) {
      out["problem"] = "database-unavailable";
    } catch (const std::exception& error) {
      out["error"] = error.what();
    }
    say(out);
  }

  asio::awaitable<json> act(const json& command) {
    const auto does = command.at("do").get<std::string>();
    if (does == "page") {
      server::ChangesQuery query;
      if (command.contains("cursor")) query.cursor = command["cursor"].get<std::string>();
      query.limit = command.value("limit", std::size_t{200});
      query.wait = std::chrono::seconds{command.value("wait", 0)};
      const auto id = command.value("id", 0);
      const std::string institution = command.at("institution");
      const server::OnPeerGone keep = [this, id](std::function<void()> gone) {
        gone_[id] = std::move(gone);
      };
      const std::string text = co_await service_.page(institution, query, keep);
      co_return json{{"page", text}};
    }
    if (does == "acknowledge") {
      std::string institution = command.at("institution");
      std::string cursor = command.at("cursor");
      co_await service_.acknowledge(std::move(institution), std::move(cursor), wall_clock());
    } else if (does == "gone") {
      gone_.at(command.at("of"))();
    } else if (does == "drain") {
      room_.drain();
    } else if (does == "stats") {
      co_return stats();
    }
    co_return json::object();
  }

  json stats() {
    server::MetricsText metrics;
    const auto stats = fan_out_ ? fan_out_->stats() : server::FanOut::Stats{};
    server::add_feed_metrics(metrics, stats, room_.waiters(), wall_clock());
    return {{"published", stats.published},
            {"pruned", stats.pruned},
            {"failures", stats.failures},
            {"waiters", room_.waiters()},
            {"metrics", metrics.text()}};
  }

  // First, so that it outlives the threads of those below, which post to it.
  asio::io_context loop_{1};
  server::Database database_;
  server::KeyRing keys_;
  server::WaitingRoom room_;
  server::CursorMaker cursors_;
  server::ChangesService service_;
  std::map<int, std::function<void()>> gone_;
  std::optional<server::FanOut> fan_out_;
  std::optional<server::ChangeListener> listener_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    fmt::print(stderr, "usage: the first lines of feed_driver.cpp\n");
    return 2;
  }
  const std::string does = argv[1];
  server::DatabaseConfig database;
  database.url = argv[2];
  database.connections = 4;
  if (does == "write") return write(database, argv[3], std::stoi(argv[4]));
  database.key_encryption_key = argv[3];
  if (does == "prepare") return prepare(database, std::stoi(argv[4]));
  Driver(database, json::parse(argv[4])).run();
  return 0;
}
