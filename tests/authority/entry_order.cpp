#include "authority/entry_order.hpp"

#include <algorithm>

#include "authority/failure.hpp"

namespace authority {

EntryOrder::EntryOrder(const SerialSet& set, Order order, std::uint64_t seed)
    : set_(set), order_(order) {
  if (order == Order::shuffled && set.count() > 0) {
    shuffle_.emplace(0, set.count(), derive_seed(seed, "entry order"));
  }
}

std::uint64_t EntryOrder::next() {
  if (order_ == Order::sorted) return next_sorted();
  const std::uint64_t position = position_++;
  return shuffle_ ? shuffle_->forward(position) : position;
}

// Merges the generated entries with the named ones.
std::uint64_t EntryOrder::next_sorted() {
  const SerialSpace& space = set_.space();
  const auto key = peek_generated_key();
  const auto& named = set_.named();
  if (named_position_ < named.size() &&
      (!key || named[named_position_].serial < space.serial_of(*key))) {
    return set_.generated_count() + named_position_++;
  }
  if (!key) throw Failure("the order of entries was asked for more than there are");
  if (space.kind() == SerialKind::counter) return position_++;
  ++batch_position_;
  return space.index_of_key(*key);
}

std::optional<std::uint64_t> EntryOrder::peek_generated_key() {
  if (set_.space().kind() == SerialKind::counter) {
    if (position_ == set_.generated_count()) return std::nullopt;
    return set_.space().key_at(position_);
  }
  if (batch_position_ == batch_.size()) fill_batch();
  if (batch_position_ == batch_.size()) return std::nullopt;
  return batch_[batch_position_];
}

// The keys are uniform below 2^63, so equal ranges of keys hold about equally many.
void EntryOrder::fill_batch() {
  const std::uint64_t ranges = set_.generated_count() / kBatchEntries + 1;
  const std::uint64_t range_keys = (std::uint64_t{1} << 63U) / ranges + 1;
  batch_.clear();
  batch_position_ = 0;
  batch_.reserve(std::min(set_.generated_count(), kBatchEntries + kBatchEntries / 64));
  while (batch_.empty() && next_range_ < ranges) {
    const std::uint64_t begin = next_range_++ * range_keys;
    for (std::uint64_t i = 0; i < set_.generated_count(); ++i) {
      const std::uint64_t key = set_.space().key_at(i);
      if (key - begin < range_keys) batch_.push_back(key);
    }
  }
  std::sort(batch_.begin(), batch_.end());
}

}  // namespace authority
