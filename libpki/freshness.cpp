#include "libpki/freshness.hpp"

#include <algorithm>
#include <map>

namespace pki {

FreshnessTable::FreshnessTable(const std::vector<IndexedList>& lists) {
  std::map<ScopeId, Freshness> by_scope;
  const auto alone = [](const IndexedList& list) {
    return Freshness{list.this_update, list.next_update, list.next_update};
  };
  for (const IndexedList& list : lists) {
    if (list.base) continue;
    Freshness& scope = by_scope.try_emplace(list.scope, alone(list)).first->second;
    scope.this_update = std::min(scope.this_update, list.this_update);  // should there be two
    scope.next_update = scope.end = std::min(scope.end, list.next_update);
  }
  for (const IndexedList& list : lists) {
    if (!list.base) continue;
    const auto [place, is_alone] = by_scope.try_emplace(list.scope, alone(list));
    if (is_alone) continue;
    Freshness& scope = place->second;
    scope.this_update = std::max(scope.this_update, list.this_update);
    scope.next_update = std::min(scope.end, list.next_update);
  }
  if (by_scope.empty()) return;
  for (const IndexedList& list : lists) by_list_.push_back(by_scope.at(list.scope));
  absent_ = by_scope.begin()->second;
  for (const auto& [scope, freshness] : by_scope) {
    absent_.this_update = std::min(absent_.this_update, freshness.this_update);
    absent_.next_update = std::min(absent_.next_update, freshness.next_update);
    absent_.end = std::min(absent_.end, freshness.end);
    dues_.push_back(freshness.next_update);
    if (freshness.next_update < freshness.end) deltas_.push_back(freshness);
  }
  std::ranges::sort(dues_);
  dues_.erase(std::unique(dues_.begin(), dues_.end()), dues_.end());
}

Time FreshnessTable::absent_due(Time now) const {
  const auto next = std::ranges::upper_bound(dues_, now);
  return next == dues_.end() ? absent_.end : std::min(*next, absent_.end);
}

std::size_t FreshnessTable::overdue(Time now) const {
  return static_cast<std::size_t>(std::ranges::count_if(
      deltas_, [now](const Freshness& one) { return one.next_update <= now && now < one.end; }));
}

}  // namespace pki
