// generation.hpp: what is in force for an issuer: one index file, or a base with an overlay on it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "libpki/freshness.hpp"
#include "libpki/index_reader.hpp"

namespace pki {

// What a generation says of a serial.
struct Finding {
  std::optional<Revocation> revocation;  // nothing: it is on no list
  std::uint16_t list = 0;                // in lists(), where it is on one
};

// Generation joins a base and an overlay into what the lists together say: the overlay goes first,
// and what it does not mention is as the base has it. A view of files that live longer; immutable,
// for any number of threads.
class Generation {
 public:
  Generation() = default;

  // One file that stands alone.
  explicit Generation(const Index& index);

  // Error: index_base_mismatch, if the overlay is none, or one of another base.
  [[nodiscard]] static Result<Generation> join(const Index& base, const Index& overlay);

  // Cost: that of Index::find, and of another one with an overlay, which is small.
  [[nodiscard]] Finding find(const SerialKey& key) const;

  // Freshness of what find() said. Cost: O(1).
  [[nodiscard]] const Freshness& freshness(const Finding& finding) const {
    return finding.revocation ? table_.of(finding.list) : table_.of_absent();
  }
  [[nodiscard]] const FreshnessTable& freshness() const { return table_; }

  [[nodiscard]] const Index& base() const { return base_; }
  [[nodiscard]] const std::optional<Index>& overlay() const { return overlay_; }

  // The file that was published last: it has the lists as they are now.
  [[nodiscard]] const Index& head() const { return overlay_ ? *overlay_ : base_; }
  [[nodiscard]] const std::vector<IndexedList>& lists() const { return head().lists(); }
  [[nodiscard]] std::uint64_t number() const { return head().generation(); }
  [[nodiscard]] std::uint64_t listed_count() const { return head().listed_count(); }
  [[nodiscard]] Time this_update() const { return head().this_update(); }
  [[nodiscard]] Time next_update() const { return head().next_update(); }

 private:
  Index base_;
  std::optional<Index> overlay_;
  FreshnessTable table_;
};

// One serial whose status differs between two generations; nothing means: not listed.
struct Difference {
  SerialKey key;
  std::optional<Revocation> before;
  std::optional<Revocation> after;
};

// Calls visit for each difference, once. Two generations with one base cost as much as their
// overlays; others one sequential pass over both bases, about 3 ns an entry.
void diff(const Generation& before, const Generation& after,
          const std::function<void(const Difference&)>& visit);

}  // namespace pki
