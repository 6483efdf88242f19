// overlay.hpp: how the lists of today differ from a base index, where only some of them changed.
//
// Deltas, and complete lists that were re-published alone, are turned into the few entries that an
// overlay file holds, at a cost in proportion to them. The base is not read but for looking up what
// they name.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "libpki/index_reader.hpp"

namespace pki {

// Used in this order: replace() for each complete list that is not the base's, with its entries by
// add(); then add_delta() for the entries of every delta; then finish().
class OverlayBuilder {
 public:
  // `lists` is how many complete lists there are now, at least the base's; they keep the base's
  // order. The base must outlive the builder.
  OverlayBuilder(const Index& base, std::size_t lists);

  // The complete list `list` is another one than the base has: what it does not name is gone.
  void replace(std::size_t list) { replaced_[list] = true; }
  void add(const CrlEntry& entry, std::size_t list);

  // Of the delta to the complete list `list` (RFC 5280 5.2.4): removeFromCRL takes a serial off
  // it, anything else takes the place of what the complete list says.
  void add_delta(const CrlEntry& entry, std::size_t list);

  // False, if a serial turned out to be on several lists, so that none of them can be replaced
  // alone: the base must then be built anew. Cost: about 100 ns an entry that was added, and where
  // lists were replaced a pass over the base's list numbers.
  [[nodiscard]] bool finish();

  // A serial that is on several lists, after finish() said so; nothing if the base says only that
  // there are some.
  [[nodiscard]] const std::optional<SerialKey>& shared_serial() const { return shared_; }

  // How many entries the overlay has, and how many serials are listed with the base's.
  [[nodiscard]] std::size_t size() const { return said_.size(); }
  [[nodiscard]] std::uint64_t listed_count() const { return listed_count_; }

  void write_to(IndexWriter& writer) const;

 private:
  struct Said {
    std::optional<Revocation> revocation;  // nothing: on no list any more
    std::uint16_t list = 0;
    bool by_delta = false;
  };
  // The lead is mixed already.
  struct KeyHash {
    std::size_t operator()(const SerialKey& key) const { return key.lead; }
  };

  void compare_replaced();
  void compare_rest();

  const Index& base_;
  std::vector<bool> replaced_;  // by complete list
  std::unordered_map<SerialKey, Said, KeyHash> said_;
  std::optional<SerialKey> shared_;
  std::uint64_t listed_count_ = 0;
};

}  // namespace pki
