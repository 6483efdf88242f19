#include "server/ingest_record.hpp"

#include <nlohmann/json.hpp>

#include "server/files.hpp"
#include "server/log.hpp"

namespace server {

namespace fs = std::filesystem;

namespace {

fs::path record_path(const fs::path& directory) {
  return directory / "ingest.json";
}

template <class Change>
void change_record(const fs::path& directory, Change&& change) {
  try {
    IngestRecord record = read_ingest_record(directory);
    change(record);
    const nlohmann::ordered_json json = {{"successes", record.successes},
                                         {"failures", record.failures},
                                         {"last_success", record.last_success},
                                         {"last_failure", record.last_failure},
                                         {"last_failure_reason", record.last_failure_reason},
                                         {"held_back", record.held_back}};
    replace_file(record_path(directory), json.dump(2) + "\n");
  } catch (const std::exception& error) {
    log(Level::warning, "ingest_not_recorded", {{"error", error.what()}});
  }
}

}  // namespace

IngestRecord read_ingest_record(const fs::path& directory) try {
  IngestRecord out;
  if (!fs::exists(record_path(directory))) return out;
  const auto json = nlohmann::json::parse(read_file(record_path(directory)));
  out.successes = json.value("successes", std::uint64_t{0});
  out.failures = json.value("failures", std::uint64_t{0});
  out.last_success = json.value("last_success", std::int64_t{0});
  out.last_failure = json.value("last_failure", std::int64_t{0});
  out.last_failure_reason = json.value("last_failure_reason", std::string());
  out.held_back = json.value("held_back", std::string());
  return out;
} catch (const std::exception& error) {
  log(Level::warning, "ingest_record_not_read", {{"error", error.what()}});
  return {};
}

void record_success(const fs::path& directory, pki::Time now) {
  change_record(directory, [&](IngestRecord& record) {
    ++record.successes;
    record.last_success = now.time_since_epoch().count();
    record.held_back.clear();
  });
}

void record_failure(const fs::path& directory, pki::Time now, const std::string& reason,
                    const std::string& held_back) {
  change_record(directory, [&](IngestRecord& record) {
    ++record.failures;
    record.last_failure = now.time_since_epoch().count();
    record.last_failure_reason = reason;
    if (!held_back.empty()) record.held_back = held_back;  // it waits until an ingest succeeds
  });
}

}  // namespace server
