#include "libpki/overlay.hpp"

namespace pki {

OverlayBuilder::OverlayBuilder(const Index& base, std::size_t lists)
    : base_(base), replaced_(lists, false) {}

void OverlayBuilder::add(const CrlEntry& entry, std::size_t list) {
  const Revocation revocation{entry.revocation_date, entry.reason};
  const auto [place, is_new] = said_.try_emplace(
      SerialKey::from_der(entry.serial), Said{revocation, static_cast<std::uint16_t>(list), false});
  if (is_new) return;
  if (place->second.list != list) shared_ = place->first;
  place->second.revocation = join(*place->second.revocation, revocation);
}

void OverlayBuilder::add_delta(const CrlEntry& entry, std::size_t list) {
  const SerialKey key = SerialKey::from_der(entry.serial);
  const auto [place, is_new] =
      said_.try_emplace(key, Said{std::nullopt, static_cast<std::uint16_t>(list), true});
  Said& said = place->second;
  if (!is_new && said.list != list) {
    shared_ = key;
    return;
  }
  const bool said_before = !is_new && said.by_delta && said.revocation;
  said.by_delta = true;
  if (entry.reason == Reason::remove_from_crl) {
    if (!said_before) said.revocation.reset();  // else the delta contradicts itself: revoked
    return;
  }
  const Revocation revocation{entry.revocation_date, entry.reason};
  said.revocation = said_before ? join(*said.revocation, revocation) : revocation;
}

bool OverlayBuilder::finish() {
  if (shared_ || base_.has_shared_serials()) return false;
  listed_count_ = base_.entry_count();
  compare_replaced();
  compare_rest();
  return !shared_;
}

// What the base has of the lists that were replaced: as before, changed, or gone.
void OverlayBuilder::compare_replaced() {
  const auto is_replaced = [this](std::uint16_t list) -> bool { return replaced_[list]; };
  base_.for_each_of(is_replaced, [&](const SerialKey& key, const IndexEntry& entry) {
    said_.try_emplace(key, Said{std::nullopt, entry.list, false});
  });
}

// Drops what the base says already, counts the rest.
void OverlayBuilder::compare_rest() {
  for (auto place = said_.begin(); place != said_.end();) {
    const auto& [key, said] = *place;
    const auto before = base_.find(key);
    if (before && before->list != said.list) {
      // Taking it off this list leaves it on the other one.
      if (said.revocation) shared_ = key;
      place = said_.erase(place);
      continue;
    }
    const bool as_before =
        before ? said.revocation == before->revocation : !said.revocation.has_value();
    if (as_before) {
      place = said_.erase(place);
      continue;
    }
    if (!before) ++listed_count_;
    if (!said.revocation) --listed_count_;
    ++place;
  }
}

void OverlayBuilder::write_to(IndexWriter& writer) const {
  for (const auto& [key, said] : said_) {
    writer.add(key, said.revocation.value_or(Revocation{kRevocationEpoch, Reason::remove_from_crl}),
               said.list);
  }
}

}  // namespace pki
