// EntryOrder hands out every entry index of a SerialSet exactly once, in the order in which the CRL
// lists them, in bounded memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "authority/mixing.hpp"
#include "authority/serial_set.hpp"

namespace authority {

enum class Order {
  issue,     // as the space numbers them: ascending for a counter, random otherwise; named serials
             // last
  sorted,    // ascending serials
  shuffled,  // a keyed permutation of the indexes
};

class EntryOrder {
 public:
  // `set` must outlive the order.
  EntryOrder(const SerialSet& set, Order order, std::uint64_t seed);

  // The next index; call count() times.
  [[nodiscard]] std::uint64_t next();

 private:
  // One pass over the random keys keeps those of one range of keys and sorts them: at most about 24
  // million at once (200 MB), so 110 million entries take five passes.
  static constexpr std::uint64_t kBatchEntries = 24'000'000;

  [[nodiscard]] std::uint64_t next_sorted();
  [[nodiscard]] std::optional<std::uint64_t> peek_generated_key();
  void fill_batch();

  const SerialSet& set_;
  Order order_;
  std::optional<Permutation> shuffle_;
  std::uint64_t position_ =
      0;  // issue, shuffled: entries handed out; sorted counter: generated entries handed out
  std::size_t named_position_ = 0;

  // Sorted order of random serials.
  std::vector<std::uint64_t> batch_;  // ascending keys
  std::size_t batch_position_ = 0;
  std::uint64_t next_range_ = 0;
};

}  // namespace authority
