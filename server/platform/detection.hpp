// detection.hpp: from a published generation to what it means for those who are watched. Blocking.
// Knows index files and the store; nothing of HTTP, and nothing of who reads the events.
//
// May be killed at any moment and run by several processes at once: what was done is found done,
// and nothing happens twice. server/store/watching.hpp says why nothing is missed.
#pragma once

#include <functional>
#include <stop_token>

#include "server/index_directory.hpp"
#include "server/platform/listed_status.hpp"

namespace server {

struct DetectionReport {
  enum class Kind : std::uint8_t {
    nothing_new,  // all was detected before, or there are no lists yet
    detected,     // up to `to`
    at_work,      // somebody else is at it
    stopped,      // between two batches; the next call goes on
  };
  Kind kind = Kind::nothing_new;
  std::uint64_t from = 0;
  std::uint64_t to = 0;
  std::uint64_t entries = 0;      // differences, or certificates that were looked up one by one
  std::uint64_t full_checks = 0;  // how often all had to be looked up
  std::uint64_t came_back = 0;    // revoked here, and on no list any more
  ChangeCounts counts;
};

// The database, with the patience that batches need: a statement of one may take a minute.
[[nodiscard]] DatabaseConfig for_detection(DatabaseConfig config);

// Brings all watched certificates of the issuer to where its newest generation is, and goes on if
// another one is published meanwhile.
//
// The cost follows the difference: about 3 ns an entry of the lists where the base is another one,
// 10 us a difference of nobody who is watched, 200 us a certificate that changes (bench/README.md:
// `diff` and `detection`). Only where the generation that was detected last is not there any more
// are all certificates looked up.
//
// `clock` says what time it is; `stop` ends it after the batch that runs. Throws
// DatabaseUnavailable, DatabaseError, KeyEncryptionFault, std::system_error for index files,
// std::runtime_error for an index of another key.
DetectionReport detect_changes(Connection& connection, KeyRing& keys, const WatchedIssuer& issuer,
                               const IndexDirectory& directory,
                               const std::function<pki::Time()>& clock,
                               const std::stop_token& stop = {});

// Certificates whose end has passed: their subjects now await a newer one. Returns what happened.
ChangeCounts expire_certificates(Connection& connection, pki::Time now,
                                 const std::stop_token& stop = {});

}  // namespace server
