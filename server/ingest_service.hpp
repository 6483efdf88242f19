// ingest_service.hpp: from a CRL on disk to a published generation of an issuer's index.
//
// Nothing becomes visible before everything is verified; any failure leaves the index in force as
// it was. Knows files and libpki; nothing of HTTP, and nothing of the server that will read the
// result.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>

#include "libpki/asn1_time.hpp"
#include "server/config.hpp"

namespace server {

struct IngestOutcome {
  enum class Kind : std::uint8_t {
    published,  // a new generation is in force
    unchanged,  // the list in force is this very list
  };
  Kind kind = Kind::unchanged;
  std::uint64_t generation = 0;
  std::string crl_number;
  pki::Time this_update;
  pki::Time next_update;
  std::uint64_t entry_count = 0;
  std::uint64_t duplicate_count = 0;
  std::uint64_t crl_bytes = 0;
  std::uint64_t index_bytes = 0;
  double seconds = 0;
};

// A list was refused. The text says which, why, and where: "old.crl: …". `reason` is the code's
// name, for metrics.
class Refused : public std::runtime_error {
 public:
  Refused(std::string reason, const std::string& text)
      : std::runtime_error(text), reason_(std::move(reason)) {}
  [[nodiscard]] const std::string& reason() const { return reason_; }

 private:
  std::string reason_;
};

// Takes in the issuer's CRL. Waits while another ingest of the same issuer is at work.
//
// Throws Refused, CredentialError for the issuer's certificate, std::system_error for disk and
// files. Either is recorded beside the index, for the metrics of the server, as far as the disk
// allows. Cost: about the SHA-256 of the file, the fsync of the index and 20 ns an entry, on two
// cores. Private memory: index.ingest_memory_bytes and about 60 MB.
IngestOutcome ingest(const IndexConfig& index, const IssuerConfig& issuer,
                     const std::function<pki::Time()>& clock);

// How the last ingests of an issuer went; kept in ingest.json beside the index.
struct IngestRecord {
  std::uint64_t successes = 0;
  std::uint64_t failures = 0;
  std::int64_t last_success = 0;  // Unix seconds; 0 for never
  std::int64_t last_failure = 0;
  std::string last_failure_reason;
};
// Nothing counted, if there is no such file or it can't be read, which goes to the log.
[[nodiscard]] IngestRecord read_ingest_record(const std::filesystem::path& directory);

}  // namespace server
