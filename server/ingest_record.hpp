// ingest_record.hpp: how the ingests of an issuer went, kept in ingest.json beside its index, so
// that the server can show it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "libpki/asn1_time.hpp"

namespace server {

struct IngestRecord {
  std::uint64_t successes = 0;
  std::uint64_t failures = 0;
  std::int64_t last_success = 0;  // Unix seconds; 0 for never
  std::int64_t last_failure = 0;
  std::string last_failure_reason;
  std::string held_back;  // a list that changed too much and waits for --accept-change; or empty
};

// Nothing counted, if there is no such file or it can't be read, which goes to the log.
[[nodiscard]] IngestRecord read_ingest_record(const std::filesystem::path& directory);

// Keep book. That they can't goes to the log only: it must not hide how the ingest itself went.
void record_success(const std::filesystem::path& directory, pki::Time now);
void record_failure(const std::filesystem::path& directory, pki::Time now,
                    const std::string& reason, const std::string& held_back = {});

}  // namespace server
