#include "server/ingest_service.hpp"

#include "server/history.hpp"
#include "server/ingest_run.hpp"
#include "server/log.hpp"

namespace server {

namespace fs = std::filesystem;

namespace {

// What is in force is so already: that old things stay behind is no failure of the ingest.
void tidy_up(const IndexDirectory& directory, const IndexConfig& config) {
  try {
    directory.tidy(config);
  } catch (const std::exception& error) {
    log(Level::warning, "not_tidied", {{"error", error.what()}});
  }
}

void forget_history(const IndexDirectory& directory, pki::Time before) {
  try {
    History(directory.path()).prune(before);
  } catch (const std::exception& error) {
    log(Level::warning, "not_tidied", {{"error", error.what()}});
  }
}

}  // namespace

IngestOutcome ingest(const Config& config, const IssuerConfig& issuer, LargeChange large_change,
                     const std::function<pki::Time()>& clock) {
  const auto started = std::chrono::steady_clock::now();
  const IndexDirectory directory(config.index, issuer.name);
  fs::create_directories(directory.path());
  const FileLock lock(directory.path() / "lock");
  const pki::Time now = clock();  // after the wait for the lock
  directory.remove_leftovers();
  tidy_up(directory, config.index);  // a full disk must not be a dead end
  try {
    IngestOutcome outcome = Ingest(config, issuer, large_change, now).run();
    outcome.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    if (outcome.issued_fault.empty()) {
      record_success(directory.path(), now);
    } else {
      record_failure(directory.path(), now, "issued_list");
    }
    // Only now: lists that are in force by this clock have borne it out.
    forget_history(directory, now - config.index.history);
    tidy_up(directory, config.index);
    return outcome;
  } catch (const HeldBack& held) {
    record_failure(directory.path(), now, held.reason(), held.what());
    throw;
  } catch (const Refused& refused) {
    record_failure(directory.path(), now, refused.reason());
    throw;
  } catch (const FetchError& error) {
    record_failure(directory.path(), now, error.reason());
    throw;
  } catch (const std::exception&) {
    record_failure(directory.path(), now, "failed");
    throw;
  }
}

}  // namespace server
