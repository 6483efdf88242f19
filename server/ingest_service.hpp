// ingest_service.hpp: from an issuer's lists to a published generation of an issuer's index.
//
// Nothing becomes visible before everything is verified; any failure leaves the index in force as
// it was. Knows files and libpki; nothing of HTTP, and nothing of the server that will read the
// result.
#pragma once

#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "libpki/asn1_time.hpp"
#include "libpki/index_writer.hpp"
#include "server/config.hpp"
#include "server/ingest_record.hpp"
#include "server/refused.hpp"

namespace server {

struct IngestOutcome {
  enum class Kind : std::uint8_t {
    published,  // a new generation is in force
    unchanged,  // the lists in force are these very lists
  };
  Kind kind = Kind::unchanged;
  std::uint64_t generation = 0;
  bool is_overlay = false;              // the generation says only what differs from its base
  std::vector<pki::IndexedList> lists;  // in force
  pki::Time this_update;                // of the oldest list
  pki::Time next_update;                // of the list that ends first
  std::uint64_t entry_count = 0;        // serials that are listed
  std::uint64_t duplicate_count = 0;
  std::uint64_t bytes_read = 0;   // of lists that were new
  std::uint64_t index_bytes = 0;  // written
  std::uint64_t added = 0;        // against the generation before
  std::uint64_t removed = 0;
  std::uint64_t changed = 0;
  std::string issued_fault;  // why the list of issued serials was not taken in; or empty
  double seconds = 0;
};

// Takes in what the issuer's lists are now: complete lists and deltas, fetched if they are
// elsewhere. Waits while another ingest of the same issuer is at work.
//
// Lists that are in force already are not read again. If only deltas, or few of many partitions,
// are new, an overlay is published at a cost in proportion to them; else a new base, at about the
// SHA-256 of the lists, the fsync of the index and 20 ns an entry, on two cores. Private memory:
// index.ingest_memory_bytes and about 60 MB.
//
// Throws Refused, FetchError, CredentialError for the issuer's certificate, std::system_error for
// disk and files. Each is recorded beside the index, for the metrics of the server, as far as the
// disk allows.
IngestOutcome ingest(const Config& config, const IssuerConfig& issuer, LargeChange large_change,
                     const std::function<pki::Time()>& clock);

}  // namespace server
