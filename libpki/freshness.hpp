// freshness.hpp: how fresh an answer from a set of lists is (RFC 6960 2.4, 4.2.2.1).
#pragma once

#include <vector>

#include "libpki/index_writer.hpp"

namespace pki {

struct Freshness {
  Time this_update;  // what is said was known to be right then
  Time next_update;  // newer information is due by then: the delta's, where there is one
  Time end;          // the nextUpdate of the complete list: from then on, nothing may be said

  // The nextUpdate to give at `now`, which is before the end. A delta that is overdue does not
  // silence the complete list that is still in force.
  [[nodiscard]] Time due(Time now) const { return now < next_update ? next_update : end; }

  friend bool operator==(const Freshness&, const Freshness&) = default;
};

// A serial on a list is as fresh as that list with its delta; a serial on none is only as fresh as
// the oldest of all, and for as long as the one that ends first.
class FreshnessTable {
 public:
  FreshnessTable() = default;
  explicit FreshnessTable(const std::vector<IndexedList>& lists);

  // Cost: O(1).
  [[nodiscard]] const Freshness& of(std::size_t list) const { return by_list_[list]; }
  [[nodiscard]] const Freshness& of_absent() const { return absent_; }

  // Freshness::due for a serial that is on no list. Cost: O(log of the different dates).
  [[nodiscard]] Time absent_due(Time now) const;

  // How many scopes have a delta past its nextUpdate at `now`, and a complete list in force.
  // Cost: O(deltas).
  [[nodiscard]] std::size_t overdue(Time now) const;

 private:
  std::vector<Freshness> by_list_;
  std::vector<Time> dues_;         // ascending, each once
  std::vector<Freshness> deltas_;  // of scopes whose delta ends before the complete list
  Freshness absent_;
};

}  // namespace pki
