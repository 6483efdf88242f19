#include "libpki/generation.hpp"

namespace pki {

Generation::Generation(const Index& index) : base_(index), table_(index.lists()) {}

Result<Generation> Generation::join(const Index& base, const Index& overlay) {
  if (base.base() || overlay.base() != base.reference() ||
      !equal(base.issuer_key_hash(), overlay.issuer_key_hash()) ||
      overlay.lists().size() < base.lists().size()) {
    return Error{Errc::index_base_mismatch, 0, "header"};
  }
  // Entries of the base name their list by its number, which must still be that of the same scope.
  for (std::size_t i = 0; i < base.lists().size(); ++i) {
    if (base.lists()[i].scope != overlay.lists()[i].scope || overlay.lists()[i].base) {
      return Error{Errc::index_base_mismatch, 0, "lists"};
    }
  }
  Generation out;
  out.base_ = base;
  out.overlay_ = overlay;
  out.table_ = FreshnessTable(overlay.lists());
  return out;
}

Finding Generation::find(const SerialKey& key) const {
  if (overlay_) {
    if (const auto entry = overlay_->find(key)) {
      if (entry->is_removal()) return {};
      return {entry->revocation, entry->list};
    }
  }
  const auto entry = base_.find(key);
  if (!entry) return {};
  return {entry->revocation, entry->list};
}

}  // namespace pki
