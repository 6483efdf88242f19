// tashika feed: what an operator must do for the feeds of changes.
#include <fmt/format.h>

#include <chrono>

#include "server/commands/commands.hpp"
#include "server/config.hpp"
#include "server/private_memory.hpp"
#include "server/store/feed.hpp"

namespace server {
namespace {

int run_new_epoch(const std::filesystem::path& file) {
  const Config config = load_config(file);
  if (!config.database) {
    throw ConfigError({fmt::format("{}: this command needs the section [database] with `url`",
                                   config.path.string())});
  }
  keep_memory_private();
  Connection connection(*config.database);
  Session session(connection);
  const std::size_t feeds = raise_feed_epoch(
      session, std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()));
  session.commit();
  fmt::print("{} feeds have a new epoch: the cursors of before are refused\n", feeds);
  return kExitOk;
}

}  // namespace

void add_feed(CLI::App& app, Run& run) {
  auto config = std::make_shared<std::filesystem::path>();
  CLI::App* feed = app.add_subcommand("feed", "The feeds of changes");
  feed->require_subcommand(1);
  CLI::App* epoch = feed->add_subcommand("new-epoch", "Make every cursor void, after a restore");
  epoch->add_option("--config", *config, "the configuration file")->required();
  epoch->footer(
      "Run it after the database was restored from a backup, or after a standby took over that\n"
      "may not have had every commit: before the server is started again. Positions that were\n"
      "given out may be given out again then, with other content. Institutions get 410\n"
      "feed-epoch-changed, read their consents, and go on with a new cursor; nothing is lost.\n"
      "Not needed after a crash or a restart of the same database. Safe to run twice.\n"
      "Example:\n  tashika feed new-epoch --config /etc/tashika/tashika.toml");
  epoch->callback([config, &run] { run = [config] { return run_new_epoch(*config); }; });
}

}  // namespace server
