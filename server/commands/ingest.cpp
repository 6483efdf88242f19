// tashika ingest: takes in the lists of all issuers, or of one.
#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <ctime>
#include <nlohmann/json.hpp>

#include "server/commands/commands.hpp"
#include "server/config.hpp"
#include "server/ingest_service.hpp"
#include "server/log.hpp"

namespace server {
namespace {

struct Options {
  std::filesystem::path config;
  std::string issuer;
  std::string every;
};

// A mapped list that somebody shortens while it is read kills the process by SIGBUS. Nothing was
// published then; say why, with nothing but what a signal handler may call.
extern "C" void explain_bus_error(int) {
  constexpr char kText[] =
      "tashika ingest: a file was shortened or its disk failed while it was being read; "
      "the index in force was kept\n";
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, kText, sizeof kText - 1);
  ::_exit(kExitFailed);
}

pki::Time now() {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

void print(const IssuerConfig& issuer, const IngestOutcome& outcome) {
  const bool published = outcome.kind == IngestOutcome::Kind::published;
  fmt::print("{}: {} generation {}: CRL number {}, thisUpdate {}, nextUpdate {}, {} entries",
             issuer.name, published ? "published" : "unchanged,", outcome.generation,
             outcome.crl_number, pki::to_string(outcome.this_update),
             pki::to_string(outcome.next_update), outcome.entry_count);
  if (outcome.duplicate_count > 0) fmt::print(" ({} listed twice)", outcome.duplicate_count);
  fmt::print(", {:.2f} s\n", outcome.seconds);
  std::fflush(stdout);
}

// True if every issuer's list was published or unchanged.
bool ingest_all(const Config& config, const std::string& only) {
  bool all_well = true;
  for (const IssuerConfig& issuer : config.issuers) {
    if (!only.empty() && issuer.name != only) continue;
    try {
      print(issuer, ingest(config.index, issuer, now));
    } catch (const Refused& refused) {
      fmt::print(stderr, "tashika ingest: {}: refused: {}\nThe index in force was kept.\n",
                 issuer.name, refused.what());
      all_well = false;
    } catch (const std::exception& error) {
      fmt::print(stderr, "tashika ingest: {}: failed: {}\nThe index in force was kept.\n",
                 issuer.name, error.what());
      all_well = false;
    }
  }
  return all_well;
}

// "15m": seconds; 0 if it is no interval.
std::int64_t interval_seconds(const std::string& text) {
  char* end = nullptr;
  const long number = std::strtol(text.c_str(), &end, 10);
  const std::string unit = end;
  if (number <= 0 || number > 1'000'000) return 0;
  if (unit == "s") return number;
  if (unit == "m") return number * 60;
  if (unit == "h") return number * 3600;
  return 0;
}

// Repeats until SIGTERM or SIGINT, which end it between two ingests.
int ingest_every(const Config& config, const std::string& only, std::int64_t seconds) {
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGTERM);
  sigaddset(&ending, SIGINT);
  ::sigprocmask(SIG_BLOCK, &ending, nullptr);
  for (;;) {
    ingest_all(config, only);
    const timespec wait{seconds, 0};
    if (::sigtimedwait(&ending, nullptr, &wait) > 0) return kExitOk;
  }
}

int run_ingest(const Options& options) {
  const Config config = load_config(options.config);
  if (!options.issuer.empty() && config.issuer(options.issuer) == nullptr) {
    std::string names;
    for (const IssuerConfig& issuer : config.issuers) {
      names += (names.empty() ? "" : ", ") + issuer.name;
    }
    fmt::print(stderr, "tashika ingest: no issuer `{}` in {}; there are: {}\n", options.issuer,
               options.config.string(), names);
    return kExitUsage;
  }
  std::signal(SIGBUS, explain_bus_error);
  std::signal(SIGXFSZ, SIG_IGN);  // a file-size limit is an error to report, like a full disk
  if (options.every.empty()) return ingest_all(config, options.issuer) ? kExitOk : kExitFailed;
  const std::int64_t seconds = interval_seconds(options.every);
  if (seconds == 0) {
    fmt::print(stderr, "tashika ingest: --every wants an interval like 30s, 15m or 24h\n");
    return kExitUsage;
  }
  return ingest_every(config, options.issuer, seconds);
}

}  // namespace

void add_ingest(CLI::App& app, Run& run) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "ingest", "Take in the CRLs: verify them, build the indexes, publish new generations");
  command->add_option("--config", options->config, "the configuration file")->required();
  command->add_option("--issuer", options->issuer, "only this issuer");
  command->add_option("--every", options->every, "repeat at this interval (30s, 15m, 24h)");
  command->footer(
      "Exit code: 0 published or unchanged, 1 refused or failed (the old index is kept), 2 usage.\n"
      "Example:\n  tashika ingest --config /etc/tashika/tashika.toml --issuer jpki-sign-g3");
  command->callback([options, &run] { run = [options] { return run_ingest(*options); }; });
}

}  // namespace server
