#include "server/provenance.hpp"

#include <algorithm>
#include <map>

namespace server {

Provenance::Provenance(const std::vector<pki::IndexedList>& lists) {
  if (lists.empty()) return;
  std::map<pki::ScopeId, std::uint16_t> by_scope;
  for (std::size_t i = 0; i < lists.size(); ++i) {
    const auto number = static_cast<std::uint16_t>(i);  // at most kListCountMax
    const auto [place, is_first] = by_scope.try_emplace(lists[i].scope, number);
    if (!is_first && lists[i].base) place->second = number;
  }
  for (const pki::IndexedList& list : lists) last_word_.push_back(by_scope.at(list.scope));
  if (by_scope.size() == 1) only_scope_ = by_scope.begin()->second;

  const auto since = &pki::IndexedList::expired_certificates_since;
  const bool all_say = std::ranges::all_of(
      lists, [](const auto& said) { return said.has_value(); }, since);
  if (all_say) expired_since_ = std::ranges::max(lists, {}, since).expired_certificates_since;
}

}  // namespace server
