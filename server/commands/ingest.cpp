// tashika ingest: takes in the lists of all issuers, or of one.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <ctime>
#include <thread>

#include "server/background.hpp"
#include "server/commands/commands.hpp"
#include "server/config.hpp"
#include "server/credentials.hpp"
#include "server/ingest_service.hpp"
#include "server/log.hpp"
#include "server/platform/detection.hpp"
#include "server/private_memory.hpp"
#include "server/wall_clock.hpp"

namespace server {
namespace {

struct Options {
  std::filesystem::path config;
  std::string issuer;
  std::string every;
  bool accept_change = false;
};

// A mapped list that somebody shortens while it is read kills the process by SIGBUS. Nothing was
// published then; say why, with nothing but what a signal handler may call.
extern "C" void explain_bus_error(int) {
  constexpr char kText[] =
      "tashika ingest: a file was shortened or its disk failed while it was being read; "
      "nothing was published\n";
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, kText, sizeof kText - 1);
  ::_exit(kExitFailed);
}

// "CRL number 12", "CRL number 12, delta 15", "1900 lists, 12 deltas".
std::string lists_text(const std::vector<pki::IndexedList>& lists) {
  const auto is_delta = [](const pki::IndexedList& list) { return list.base.has_value(); };
  const auto deltas = std::ranges::count_if(lists, is_delta);
  const auto complete = std::ssize(lists) - deltas;
  if (complete == 1 && deltas == 0) return "CRL number " + lists.front().number.to_string();
  if (complete == 1) {
    return fmt::format("CRL number {}, delta {}", lists.front().number.to_string(),
                       lists.back().number.to_string());
  }
  return deltas == 0 ? fmt::format("{} lists", complete)
                     : fmt::format("{} lists, {} deltas", complete, deltas);
}

void print(const IssuerConfig& issuer, const IngestOutcome& outcome) {
  const bool published = outcome.kind == IngestOutcome::Kind::published;
  fmt::print("{}: {} generation {}: {}, thisUpdate {}, nextUpdate {}, {} entries", issuer.name,
             published ? "published" : "unchanged,", outcome.generation, lists_text(outcome.lists),
             pki::to_string(outcome.this_update), pki::to_string(outcome.next_update),
             outcome.entry_count);
  if (outcome.added + outcome.removed + outcome.changed > 0) {
    fmt::print(" ({} added, {} removed, {} changed)", outcome.added, outcome.removed,
               outcome.changed);
  }
  if (outcome.duplicate_count > 0) fmt::print(" ({} listed twice)", outcome.duplicate_count);
  fmt::print(", {:.2f} s\n", outcome.seconds);
  std::fflush(stdout);
}

std::string counts_text(const ChangeCounts& counts) {
  return fmt::format("{} revoked, {} held, {} released", counts.revoked, counts.held,
                     counts.released);
}

// Tells the database what the newest generation means for certificates that are watched. Somebody
// else may be at it, the server for one: then waits until that is done.
void detect(const DatabaseConfig& database, const IssuerConfig& issuer, const IndexConfig& index) {
  constexpr int kLooks = 600;
  constexpr std::chrono::milliseconds kPause{100};
  KeyRing keys(database.key_encryption_key);
  Connection connection(for_detection(database));
  const auto certificate = load_certificate(issuer.certificate);
  const WatchedIssuer watched = watched_issuer(issuer.name, certificate->certificate);
  const IndexDirectory directory(index, issuer.name);
  for (int look = 0; look < kLooks; ++look) {
    const DetectionReport report = detect_changes(connection, keys, watched, directory, wall_clock);
    if (report.kind == DetectionReport::Kind::detected) {
      fmt::print("{}: changes detected: {}\n", issuer.name, counts_text(report.counts));
    }
    if (report.kind != DetectionReport::Kind::at_work) return;
    std::this_thread::sleep_for(kPause);
  }
  fmt::print("{}: another process is still detecting changes\n", issuer.name);
}

// False if that did not work. The publish stands.
bool detect_or_say(const Config& config, const IssuerConfig& issuer) {
  try {
    detect(*config.database, issuer, config.index);
    return true;
  } catch (const std::exception& error) {
    fmt::print(stderr,
               "tashika ingest: {}: published; changes not detected yet: {}\n"
               "The next ingest or the server makes up for it.\n",
               issuer.name, error.what());
    return false;
  }
}

bool has_index(const Config& config, const IssuerConfig& issuer) {
  try {
    return !IndexDirectory(config.index, issuer.name).generations().empty();
  } catch (const std::exception&) {
    return true;  // it can't be read: that is what failed
  }
}

// True if every issuer's lists were published or unchanged. One that fails keeps none from the
// rest.
bool ingest_all(const Config& config, const std::string& only, LargeChange large_change) {
  bool all_well = true;
  for (const IssuerConfig& issuer : config.issuers) {
    if (!only.empty() && issuer.name != only) continue;
    const auto fail = [&](std::string_view how, const std::exception& error) {
      fmt::print(stderr, "tashika ingest: {}: {}: {}\n{}\n", issuer.name, how, error.what(),
                 has_index(config, issuer) ? "The index in force was kept."
                                           : "There is no index of this issuer yet.");
      all_well = false;
    };
    try {
      const IngestOutcome outcome = ingest(config, issuer, large_change, wall_clock);
      print(issuer, outcome);
      if (!outcome.issued_fault.empty()) {
        fmt::print(stderr,
                   "tashika ingest: {}: the list of issued serials was refused: {}\n"
                   "The one before was kept.\n",
                   issuer.name, outcome.issued_fault);
        all_well = false;
      }
      if (config.database && !detect_or_say(config, issuer)) all_well = false;
    } catch (const HeldBack& held) {
      fail("held back", held);
    } catch (const Refused& refused) {
      fail("refused", refused);
    } catch (const std::exception& error) {
      fail("failed", error);
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
    ingest_all(config, only, LargeChange::hold_back);
    const timespec wait{seconds, 0};
    if (::sigtimedwait(&ending, nullptr, &wait) > 0) return kExitOk;
  }
}

int run_ingest(const Options& options) {
  const Config config = load_config(options.config);
  if (config.database) keep_memory_private();
  work_in_background();
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
  if (options.every.empty()) {
    const LargeChange change = options.accept_change ? LargeChange::accept : LargeChange::hold_back;
    return ingest_all(config, options.issuer, change) ? kExitOk : kExitFailed;
  }
  if (options.accept_change) {
    fmt::print(stderr,
               "tashika ingest: --accept-change is for one look at one change; it does not "
               "go with --every\n");
    return kExitUsage;
  }
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
  command->add_flag("--accept-change", options->accept_change,
                    "publish lists that grew or shrank by more than `change_limit`");
  command->footer(
      "Exit code: 0 published or unchanged, 1 refused or failed (the old index is kept), 2 usage.\n"
      "With a [database], what changed is then looked up among the certificates that are watched.\n"
      "Example:\n  tashika ingest --config /etc/tashika/tashika.toml --issuer jpki-sign-g3");
  command->callback([options, &run] { run = [options] { return run_ingest(*options); }; });
}

}  // namespace server
