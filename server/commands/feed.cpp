// tashika feed: what an operator must do for the feeds of changes.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "server/commands/commands.hpp"
#include "server/store/feed.hpp"
#include "server/wall_clock.hpp"

namespace server {
namespace {

struct StatusOptions {
  std::filesystem::path config;
  bool json = false;
};

nlohmann::ordered_json json_of(const FeedStatus& feed) {
  const auto time = [](const std::optional<pki::Time>& at) {
    return at ? nlohmann::ordered_json(pki::to_string(*at)) : nlohmann::ordered_json(nullptr);
  };
  nlohmann::ordered_json out = {{"institution_id", feed.institution_id},
                                {"name", feed.name},
                                {"epoch", feed.epoch},
                                {"last_pos", feed.last_pos},
                                {"acknowledged_pos", nullptr},
                                {"acknowledged_at", time(feed.acknowledged_at)},
                                {"oldest_unacknowledged", time(feed.oldest_unacknowledged)}};
  if (feed.acknowledged_pos) out["acknowledged_pos"] = *feed.acknowledged_pos;
  return out;
}

int run_status(const StatusOptions& options) {
  Connection connection(database_of(load_config(options.config)));
  Session session(connection);
  const auto feeds = feed_status(session);
  if (options.json) {
    auto document = nlohmann::ordered_json::array();
    for (const FeedStatus& feed : feeds) document.push_back(json_of(feed));
    fmt::print("{}\n", document.dump(2));
    return kExitOk;
  }
  fmt::print("{:<24} {:>12} {:>12} {:>10}  {:<20}  {}\n", "institution", "last", "acknowledged",
             "behind", "acknowledged at", "oldest unacknowledged");
  for (const FeedStatus& feed : feeds) {
    const auto text = [](const std::optional<pki::Time>& at) {
      return at ? pki::to_string(*at) : std::string("-");
    };
    const auto& said = feed.acknowledged_pos;
    fmt::print("{:<24} {:>12} {:>12} {:>10}  {:<20}  {}\n", feed.name, feed.last_pos,
               said ? fmt::format("{}", *said) : "-", feed.last_pos - said.value_or(0),
               text(feed.acknowledged_at), text(feed.oldest_unacknowledged));
  }
  return kExitOk;
}

int run_new_epoch(const std::filesystem::path& file) {
  Connection connection(database_of(load_config(file)));
  Session session(connection);
  const std::size_t feeds = raise_feed_epoch(session, wall_clock());
  session.commit();
  fmt::print("a new epoch for {}: the cursors of before are refused\n", counted(feeds, "feed"));
  return kExitOk;
}

}  // namespace

void add_feed(CLI::App& app, Run& run) {
  auto config = std::make_shared<std::filesystem::path>();
  CLI::App* feed = app.add_subcommand("feed", "The feeds of changes");
  feed->require_subcommand(1);
  feed->footer(
      "Examples:\n  tashika feed status --config /etc/tashika/tashika.toml\n"
      "  tashika feed new-epoch --config /etc/tashika/tashika.toml   # after a restore");
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

  auto options = std::make_shared<StatusOptions>();
  CLI::App* status = feed->add_subcommand("status", "How far each institution is with its feed");
  status->add_option("--config", options->config, "the configuration file")->required();
  status->add_flag("--json", options->json, "as JSON");
  status->footer(
      "By what the institutions acknowledge (PUT /v1/changes/acknowledgement), which none of them\n"
      "has to do: `-` says that one never did, or not since the last new epoch.\n"
      "Example:\n  tashika feed status --config /etc/tashika/tashika.toml");
  status->callback([options, &run] { run = [options] { return run_status(*options); }; });
}

}  // namespace server
