// history.hpp: what left an issuer's lists, or changed on them: with the index in force it answers
// "was this certificate revoked or held at that time?".
//
// history.log beside the index: a header and records of 64 octets, appended before the generation
// that they belong to is published. A record that a killed process left half written, or that
// belongs to a generation that never was, is cut off by the next append.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <vector>

#include "libpki/generation.hpp"

namespace server {

// A serial was listed like this until the list of `until` said otherwise.
struct PastEntry {
  pki::Revocation revocation;
  pki::Time last_seen;       // thisUpdate of the last list that said so
  pki::Time until;           // thisUpdate of the first that did not
  bool was_changed = false;  // it then said something else; otherwise the serial was gone
};

class History {
 public:
  explicit History(const std::filesystem::path& directory);

  // Appends what `before` said of serials and `after` says no more, or otherwise; durable when it
  // returns. Without a `before` the history begins: what was recorded earlier stays, but of all
  // other serials nothing is known from before `after`. `each` sees every difference, additions
  // too. Only for who holds the lock. Throws std::system_error.
  void append(const pki::Generation* before, const pki::Generation& after,
              const std::function<void(const pki::Difference&)>& each) const;

  // The newest generation that it has records of; 0 for none.
  [[nodiscard]] std::uint64_t newest_generation() const;

  // Forgets what was over before `oldest`, once that is half of the file.
  void prune(pki::Time oldest) const;

  struct Past {
    pki::Time begins;                // of what was over before that, only `entries` is known
    std::vector<PastEntry> entries;  // ascending by `until`
  };
  // All that is known of a serial. Nothing if there is no history. Cost: a pass over the file,
  // about 20 ns a record. Records that are damaged are passed over, and counted in the log.
  [[nodiscard]] std::optional<Past> find(const pki::SerialKey& key) const;

 private:
  std::filesystem::path path_;
};

}  // namespace server
