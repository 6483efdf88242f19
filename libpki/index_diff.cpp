#include <algorithm>

#include "libpki/generation.hpp"

namespace pki {

// Walks two index files side by side.
class IndexDiff {
 public:
  using Visit = std::function<void(const Difference&)>;

  static void run(const Index& before, const Index& after, const Visit& visit) {
    for (std::size_t g = 0; g < SerialKey::kGroupCount; ++g) {
      walk(before.group(g), after.group(g), visit);
    }
  }

 private:
  using Group = Index::Group;

  // The first difference at or after these places, as far as keys, dates and reasons run alike.
  static std::uint64_t equal_run(const Group& before, std::uint64_t b, const Group& after,
                                 std::uint64_t a);
  static void walk(const Group* before, const Group* after, const Visit& visit);
};

std::uint64_t IndexDiff::equal_run(const Group& before, std::uint64_t b, const Group& after,
                                   std::uint64_t a) {
  const std::uint64_t end = std::min(before.count - b, after.count - a);
  std::uint64_t run = 0;
  if (before.tail_bytes == 0 && before.times != nullptr && after.times != nullptr) {
    // Nearly all of a day's list is yesterday's: compared in blocks, which the compiler vectorises.
    constexpr std::uint64_t kBlock = 16;
    for (; run + kBlock <= end; run += kBlock) {
      std::uint64_t unlike = 0;
      for (std::uint64_t i = run; i < run + kBlock; ++i) {
        unlike |= (before.leads[b + i] ^ after.leads[a + i]) |
                  (before.times[b + i] ^ after.times[a + i]) |
                  static_cast<std::uint64_t>(before.reasons[b + i] ^ after.reasons[a + i]);
      }
      if (unlike != 0) break;
    }
  }
  while (run < end && before.leads[b + run] == after.leads[a + run] &&
         before.same(b + run, after.key(a + run)) &&
         before.revocation(b + run) == after.revocation(a + run)) {
    ++run;
  }
  return run;
}

void IndexDiff::walk(const Group* before, const Group* after, const Visit& visit) {
  const std::uint64_t before_count = before == nullptr ? 0 : before->count;
  const std::uint64_t after_count = after == nullptr ? 0 : after->count;
  std::uint64_t b = 0;
  std::uint64_t a = 0;
  while (b < before_count || a < after_count) {
    const bool has_both = b < before_count && a < after_count;
    if (has_both) {
      const std::uint64_t run = equal_run(*before, b, *after, a);
      if (run > 0) {
        b += run, a += run;
        continue;
      }
    }
    if (has_both && before->same(b, after->key(a))) {
      visit({after->key(a), before->revocation(b), after->revocation(a)});
      ++b, ++a;
    } else if (a == after_count || (has_both && before->before(b, after->key(a)))) {
      visit({before->key(b), before->revocation(b), std::nullopt});
      ++b;
    } else {
      visit({after->key(a), std::nullopt, after->revocation(a)});
      ++a;
    }
  }
}

void diff(const Generation& before, const Generation& after,
          const std::function<void(const Difference&)>& visit) {
  const auto in_overlay = [](const Generation& generation, const SerialKey& key) {
    return generation.overlay() && generation.overlay()->contains(key);
  };
  const bool same_base = before.base().reference() == after.base().reference();
  if (!same_base) {
    IndexDiff::run(before.base(), after.base(), [&](const Difference& difference) {
      const bool later = in_overlay(before, difference.key) || in_overlay(after, difference.key);
      if (!later) visit(difference);
    });
  }
  // What an overlay mentions is settled by asking both sides.
  const auto settle = [&](const SerialKey& key) {
    const Finding was = before.find(key);
    const Finding is = after.find(key);
    if (was.revocation != is.revocation) visit({key, was.revocation, is.revocation});
  };
  if (before.overlay()) {
    before.overlay()->for_each([&](const SerialKey& key, const IndexEntry&) { settle(key); });
  }
  if (after.overlay()) {
    after.overlay()->for_each([&](const SerialKey& key, const IndexEntry&) {
      if (!in_overlay(before, key)) settle(key);
    });
  }
}

}  // namespace pki
