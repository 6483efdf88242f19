// fuzz_index_writer.cpp: IndexWriter with thousands of entries, more than a CRL of fuzzing size
// holds, so that groups are spread over partitions and sorted by several threads.
//
// The input says how many lists there are, how many serials of which width, and how often they
// repeat; the index must hold what a linear scan of them holds.
#include "fuzz_index_support.hpp"

namespace {

using pki::Bytes;
using pki::Reason;

constexpr std::size_t kGroupBytes = 6;
constexpr std::size_t kEntriesMax = 20000;

// SplitMix64: any spread will do, so long as the same input makes the same entries.
class Generator {
 public:
  explicit Generator(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t x = state_ += 0x9E3779B97F4A7C15;
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9;
    x = (x ^ x >> 27) * 0x94D049BB133111EB;
    return x ^ x >> 31;
  }

 private:
  std::uint64_t state_;
};

// What the six bytes of a group say.
struct GroupPlan {
  std::size_t octets;   // of the serials, 1 to 20
  bool negative;        // their sign
  std::size_t count;    // entries
  std::size_t varying;  // octets of them that vary; the fewer, the more duplicates
  std::uint64_t seed;

  explicit GroupPlan(Bytes six)
      : octets(1 + (six[0] + 19U) % 20),
        negative(six[1] % 2 == 1),
        count(static_cast<std::size_t>(six[2] | six[3] << 8)),
        varying(std::min<std::size_t>(six[4] % 9, octets)),
        seed(six[5]) {}
};

// DER content octets of a serial of that plan.
std::vector<std::uint8_t> make_serial(const GroupPlan& plan, Generator& generator) {
  std::vector<std::uint8_t> content(plan.octets, plan.negative ? 0x80 : 0x01);
  const std::uint64_t value = generator.next();
  // From both ends, so that tails vary as well as leads.
  for (std::size_t i = 0; i < plan.varying; ++i) {
    const std::size_t at = i % 2 == 0 ? plan.octets - 1 - i / 2 : i / 2;
    content[at] = static_cast<std::uint8_t>(value >> (8 * i));
  }
  content[0] = static_cast<std::uint8_t>(plan.negative ? content[0] | 0x80U : content[0] & 0x7FU);
  const auto repeats_sign = [&] {
    return content.size() > 1 && (content[0] == 0x00 || content[0] == 0xFF) &&
           (content[0] & 0x80) == (content[1] & 0x80);
  };
  while (repeats_sign()) content.erase(content.begin());
  return content;
}

constexpr std::array kReasons = {
    Reason::absent,           Reason::unspecified,           Reason::key_compromise,
    Reason::ca_compromise,    Reason::affiliation_changed,   Reason::superseded,
    Reason::certificate_hold, Reason::privilege_withdrawn,   Reason::aa_compromise,
    Reason::absent,           Reason::cessation_of_operation};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::Run run;
  if (size < 1 + kGroupBytes) return 0;
  const unsigned threads = 1 + data[0] % 3;
  const std::size_t lists = 1 + data[0] / 3U % 4;
  const bool is_issued = data[0] / 12U % 4 == 3;
  std::vector<std::vector<std::uint8_t>> serials;  // what the entries point into
  std::vector<fuzz::Added> entries;
  serials.reserve(kEntriesMax);
  Bytes rest = Bytes(data, size).subspan(1);
  for (; rest.size() >= kGroupBytes; rest = rest.subspan(kGroupBytes)) {
    const GroupPlan plan(rest.first(kGroupBytes));
    Generator generator(plan.seed);
    for (std::size_t i = 0; i < plan.count && entries.size() < kEntriesMax; ++i) {
      serials.push_back(make_serial(plan, generator));
      const std::uint64_t value = generator.next();
      const pki::Time date = pki::kRevocationEpoch + std::chrono::seconds{value & 0xFFFFFFFF};
      entries.push_back({{serials.back(), date, kReasons[(value >> 32) % kReasons.size()], {}},
                         static_cast<std::uint16_t>((value >> 48) % lists)});
    }
  }
  pki::IndexDescription description;
  description.lists.resize(lists);
  if (is_issued) description.content = pki::IndexContent::serials;
  const fuzz::WrittenIndex written(
      description,
      [&](pki::IndexWriter& writer) {
        for (const auto& [entry, list] : entries) writer.add(entry, list);
      },
      threads);
  fuzz::Scan scan = fuzz::scan(entries);
  if (is_issued) {  // serials and nothing else
    scan.has_shared_serials = false;
    for (auto& [key, entry] : scan.table) entry = {};
  }
  fuzz::check_lookups(*written.index, scan.table);
  FUZZ_CHECK(written.outcome.duplicate_count == entries.size() - scan.table.size());
  FUZZ_CHECK(written.index->has_shared_serials() == scan.has_shared_serials);
  return 0;
}
