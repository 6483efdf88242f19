#include "libpki/index_writer.hpp"

#include <xxhash.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>

#include "libpki/crypto.hpp"
#include "libpki/freshness.hpp"
#include "libpki/index_partitions.hpp"

namespace pki {
namespace {

using namespace index_format;

std::uint32_t seconds_since_epoch(Time time) {
  return static_cast<std::uint32_t>((time - kRevocationEpoch).count());
}

template <class T>
Bytes bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const std::uint8_t*>(values.data()), values.size() * sizeof(T)};
}

template <class T>
void append(std::vector<std::uint8_t>& out, const T& value) {
  const auto* octets = reinterpret_cast<const std::uint8_t*>(&value);
  out.insert(out.end(), octets, octets + sizeof value);
}

ListRecord record_of(const IndexedList& list) {
  ListRecord record{};
  std::ranges::copy(list.number.octets(), record.crl_number.begin());
  record.this_update = list.this_update.time_since_epoch().count();
  record.next_update = list.next_update.time_since_epoch().count();
  record.entry_count = list.entry_count;
  record.identity = list.identity;
  record.scope = list.scope;
  record.is_delta = list.base ? 1 : 0;
  if (list.base) std::ranges::copy(list.base->octets(), record.base_number.begin());
  record.expired_since = list.expired_certificates_since
                             ? list.expired_certificates_since->time_since_epoch().count()
                             : INT64_MIN;
  return record;
}

std::uint32_t flags_of(const IndexDescription& description, const IndexWriter::Outcome& outcome) {
  return (description.base ? kOverlay : 0) | (outcome.shared_count > 0 ? kSharedSerials : 0) |
         (description.content == IndexContent::serials ? kSerialsOnly : 0);
}

// Header and tables, with their checksum.
std::vector<std::uint8_t> head(const IndexDescription& description,
                               const std::vector<GroupRecord>& groups,
                               const IndexWriter::Outcome& outcome) {
  Header header{};
  header.magic = kMagic;
  header.version = kVersion;
  header.list_count = static_cast<std::uint32_t>(description.lists.size());
  header.group_count = static_cast<std::uint32_t>(groups.size());
  header.file_bytes = outcome.file_bytes;
  header.entry_count = outcome.entry_count;
  header.generation = description.generation;
  header.created_at = description.created_at.time_since_epoch().count();
  header.issuer_key_hash = description.issuer_key_hash;
  header.flags = flags_of(description, outcome);
  header.listed_count = description.base ? description.listed_count : outcome.entry_count;
  if (description.base) {
    header.base_generation = description.base->generation;
    header.base_checksum = description.base->checksum;
  }
  const Freshness absent = FreshnessTable(description.lists).of_absent();
  header.this_update = absent.this_update.time_since_epoch().count();
  header.next_update = absent.end.time_since_epoch().count();
  std::vector<std::uint8_t> tables;
  for (const IndexedList& list : description.lists) append(tables, record_of(list));
  for (const GroupRecord& group : groups) append(tables, group);

  std::vector<std::uint8_t> out;
  append(out, header);
  out.insert(out.end(), tables.begin(), tables.end());
  const std::uint64_t checksum = head_checksum(out);
  std::memcpy(out.data() + offsetof(Header, checksum), &checksum, sizeof checksum);
  return out;
}

constexpr std::uint64_t divide_up(std::uint64_t a, std::uint64_t b) {
  return (a + b - 1) / b;
}

}  // namespace

// A group begins in a small buffer of its own. Only when that is full, and spreading pays, do its
// entries go to the partitions; a list with three odd serials does not make 1024 tiny partitions.
struct IndexWriter::Group {
  static constexpr std::uint64_t kSmall = 5 * Partitions::kCount;

  std::uint64_t count = 0;          // as added
  bool spread = false;              // into the partitions
  std::vector<std::uint8_t> small;  // packed entries, until then

  // Entries by partition (one, if not spread): as added at first, then without duplicates.
  std::vector<std::uint64_t> remaining = {0};

  [[nodiscard]] std::uint64_t remaining_total() const {
    std::uint64_t total = 0;
    for (const std::uint64_t part : remaining) total += part;
    return total;
  }
};

// Sorts the entries of one group in one partition and writes them; owned by one thread.
class IndexWriter::Sorter {
 public:
  Sorter(EntryShape shape, std::size_t list_bytes) : shape_(shape), list_bytes_(list_bytes) {}

  void begin() { items_.clear(); }
  void add(const std::uint8_t* packed) { items_.push_back({PackedEntry::lead(packed), packed}); }

  // `bucket_count` buckets share the leads of this part, which all begin with the same `skip` bits.
  // Returns how many entries remain after duplicates were joined.
  std::uint64_t sort(std::uint64_t bucket_count, unsigned skip, std::size_t tail_bytes);

  // Writes what sort() left, as the entries from `position` and the buckets from `first_bucket` on.
  void write(const GroupRecord& group, std::uint64_t position, std::uint64_t first_bucket,
             Storage& file);

  // Of all parts so far: serials that stand on several lists, each counted once less than it does.
  [[nodiscard]] std::uint64_t shared_count() const { return shared_count_; }

 private:
  struct Item {
    std::uint64_t lead;
    const std::uint8_t* packed;
  };

  void order_buckets(std::size_t tail_bytes);
  void join_duplicates(std::size_t tail_bytes);
  void join(const std::uint8_t* entry);

  EntryShape shape_;
  std::size_t list_bytes_;
  std::uint64_t shared_count_ = 0;
  std::vector<Item> items_;
  std::vector<Item> sorted_;
  std::vector<std::uint32_t> starts_;  // of each bucket in sorted_, and the end

  std::vector<std::uint32_t> fence_;  // of each bucket in what follows
  std::vector<std::uint64_t> leads_;
  std::vector<std::uint8_t> tails_;
  std::vector<std::uint32_t> times_;
  std::vector<std::uint8_t> reasons_;
  std::vector<std::uint16_t> lists_;
};

std::uint64_t IndexWriter::Sorter::sort(std::uint64_t bucket_count, unsigned skip,
                                        std::size_t tail_bytes) {
  // One counting pass puts every entry almost into its place: the keys are spread evenly. Several
  // of the buckets here make one of the fence.
  constexpr std::uint64_t kParts = 16;
  const std::uint64_t parts = bucket_count * kParts;
  const auto part_of = [&](std::uint64_t lead) { return bucket_of(lead << skip, parts); };
  starts_.assign(parts + 1, 0);
  for (const Item& item : items_) ++starts_[part_of(item.lead) + 1];
  for (std::size_t i = 0; i < parts; ++i) starts_[i + 1] += starts_[i];
  sorted_.resize(items_.size());
  fence_.assign(starts_.begin(), starts_.end() - 1);
  for (const Item& item : items_) sorted_[fence_[part_of(item.lead)]++] = item;
  order_buckets(tail_bytes);
  join_duplicates(tail_bytes);
  for (std::size_t bucket = 0; bucket < bucket_count; ++bucket) {
    fence_[bucket] = fence_[bucket * kParts];
  }
  fence_.resize(bucket_count);
  return leads_.size();
}

// Buckets hold a handful each; a flood of entries in one costs a comparison sort, no more.
void IndexWriter::Sorter::order_buckets(std::size_t tail_bytes) {
  const auto before = [tail_bytes](const Item& a, const Item& b) {
    if (a.lead != b.lead) return a.lead < b.lead;
    return std::memcmp(PackedEntry::tail(a.packed), PackedEntry::tail(b.packed), tail_bytes) < 0;
  };
  constexpr std::uint32_t kInsertionMax = 24;
  for (std::size_t b = 0; b + 1 < starts_.size(); ++b) {
    Item* const first = sorted_.data() + starts_[b];
    Item* const last = sorted_.data() + starts_[b + 1];
    if (last - first > kInsertionMax) {
      std::sort(first, last, before);
      continue;
    }
    for (Item* at = first; at < last; ++at) {
      const Item item = *at;
      Item* hole = at;
      for (; hole > first && before(item, hole[-1]); --hole) *hole = hole[-1];
      *hole = item;
    }
  }
}

void IndexWriter::Sorter::join_duplicates(std::size_t tail_bytes) {
  leads_.clear(), tails_.clear(), times_.clear(), reasons_.clear(), lists_.clear();
  for (std::size_t b = 0; b + 1 < starts_.size(); ++b) {
    fence_[b] = static_cast<std::uint32_t>(leads_.size());
    for (std::size_t i = starts_[b]; i < starts_[b + 1]; ++i) {
      const std::uint8_t* const entry = sorted_[i].packed;
      const bool same_lead = i > starts_[b] && sorted_[i - 1].lead == sorted_[i].lead;
      const bool again = same_lead && std::memcmp(PackedEntry::tail(sorted_[i - 1].packed),
                                                  PackedEntry::tail(entry), tail_bytes) == 0;
      if (again) {
        join(entry);
        continue;
      }
      leads_.push_back(sorted_[i].lead);
      tails_.insert(tails_.end(), PackedEntry::tail(entry), PackedEntry::tail(entry) + tail_bytes);
      times_.push_back(PackedEntry::time(entry));
      reasons_.push_back(static_cast<std::uint8_t>(PackedEntry::reason(entry)));
      if (list_bytes_ > 0) lists_.push_back(PackedEntry::list(entry));
    }
  }
}

// Joins an entry with the last one, which has the same serial. In what order they come must not
// show: of equal reasons, the list of the lower number counts.
void IndexWriter::Sorter::join(const std::uint8_t* entry) {
  times_.back() = std::min(times_.back(), PackedEntry::time(entry));
  const Reason reason = PackedEntry::reason(entry);
  const int graver = gravity(reason) - gravity(static_cast<Reason>(reasons_.back()));
  if (graver > 0) reasons_.back() = static_cast<std::uint8_t>(reason);
  if (list_bytes_ == 0) return;
  const std::uint16_t list = PackedEntry::list(entry);
  if (list != lists_.back()) ++shared_count_;
  if (graver > 0 || (graver == 0 && list < lists_.back())) lists_.back() = list;
}

void IndexWriter::Sorter::write(const GroupRecord& group, std::uint64_t position,
                                std::uint64_t first_bucket, Storage& file) {
  const auto extents = sections(group, shape_).extents;
  const std::size_t tail_bytes = SerialKey::tail_size_of(group.group);
  for (std::uint32_t& start : fence_) start += static_cast<std::uint32_t>(position);
  file.write_at(extents[fence].offset + first_bucket * 4, bytes_of(fence_));
  if (leads_.empty()) return;
  file.write_at(extents[leads].offset + position * 8, bytes_of(leads_));
  if (tail_bytes > 0) file.write_at(extents[tails].offset + position * tail_bytes, tails_);
  if (!shape_.has_status) return;
  file.write_at(extents[times].offset + position * 4, bytes_of(times_));
  file.write_at(extents[reasons].offset + position, reasons_);
  if (shape_.has_list) file.write_at(extents[lists].offset + position * 2, bytes_of(lists_));
}

IndexWriter::IndexWriter(Options options, Storage& scratch)
    : options_(options),
      shape_(shape_of(options.content == IndexContent::serials ? kSerialsOnly : 0,
                      static_cast<std::uint32_t>(options.list_count))),
      list_bytes_(shape_.has_list ? PackedEntry::kListBytes : 0),
      partitions_(std::make_unique<Partitions>(options.memory_bytes, list_bytes_, scratch)) {}

IndexWriter::~IndexWriter() = default;

void IndexWriter::add(const CrlEntry& entry, std::size_t list) {
  add(SerialKey::from_der(entry.serial), {entry.revocation_date, entry.reason}, list);
}

void IndexWriter::add(const SerialKey& key, const Revocation& revocation, std::size_t list) {
  const EntryStatus status{seconds_since_epoch(revocation.date), revocation.reason,
                           static_cast<std::uint16_t>(list)};
  std::unique_ptr<Group>& group = groups_[key.group];
  if (!group) group = std::make_unique<Group>();
  if (++group->count == Group::kSmall) spread(*group);
  if (!group->spread) {
    std::array<std::uint8_t, PackedEntry::kBytesMax> packed{};
    const std::size_t bytes = PackedEntry::write(packed.data(), key, status, list_bytes_);
    group->small.insert(group->small.end(), packed.begin(),
                        packed.begin() + static_cast<std::ptrdiff_t>(bytes));
    ++group->remaining[0];
    return;
  }
  partitions_->put(key, status);
  ++group->remaining[Partitions::of(key.lead)];
}

void IndexWriter::spread(Group& group) {
  group.spread = true;
  group.remaining.assign(Partitions::kCount, 0);
  for (std::size_t i = 0; i < group.small.size();) {
    const std::uint8_t* const packed = group.small.data() + i;
    const SerialKey key = PackedEntry::key(packed);
    partitions_->put(key, PackedEntry::status(packed, list_bytes_));
    ++group.remaining[Partitions::of(key.lead)];
    i += PackedEntry::bytes(key.group, list_bytes_);
  }
  group.small = {};
}

// Where everything goes, given how many entries each group has left.
std::vector<GroupRecord> IndexWriter::plan() const {
  std::vector<GroupRecord> records;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    if (!groups_[g]) continue;
    GroupRecord record{};
    record.group = static_cast<std::uint32_t>(g);
    record.entry_count = groups_[g]->remaining_total();
    const std::uint64_t parts = groups_[g]->remaining.size();
    record.bucket_count = parts * divide_up(record.entry_count, kEntriesPerBucket * parts);
    records.push_back(record);
  }
  std::uint64_t offset = align(sizeof(Header) + tables_bytes(options_.list_count, records.size()));
  for (GroupRecord& record : records) {
    record.offset = offset;
    offset = sections(record, shape_).end;
  }
  return records;
}

std::uint64_t IndexWriter::file_bytes(const std::vector<GroupRecord>& records) const {
  if (records.empty()) return align(sizeof(Header) + tables_bytes(options_.list_count, 0));
  return sections(records.back(), shape_).end;
}

// Sorts and writes every group by the plan, and leaves in `remaining` what was really there. If
// that differs from the plan, because of duplicates, what was written is void.
void IndexWriter::sort_all(const std::vector<GroupRecord>& records, Storage& file) {
  // The position of each part, from the plan's counts.
  std::vector<std::vector<std::uint64_t>> positions;
  for (const GroupRecord& record : records) {
    std::vector<std::uint64_t>& starts = positions.emplace_back();
    std::uint64_t position = 0;
    for (const std::uint64_t part : groups_[record.group]->remaining) {
      starts.push_back(position);
      position += part;
    }
  }
  const auto sort_part = [&](Sorter& sorter, std::size_t r, std::size_t part) {
    const GroupRecord& record = records[r];
    Group& group = *groups_[record.group];
    const std::size_t tail_bytes = SerialKey::tail_size_of(record.group);
    const std::uint64_t buckets = record.bucket_count / group.remaining.size();
    const unsigned skip = group.spread ? Partitions::kBits : 0;
    const std::uint64_t left = sorter.sort(buckets, skip, tail_bytes);
    if (left == group.remaining[part]) {
      sorter.write(record, positions[r][part], part * buckets, file);
    }
    group.remaining[part] = left;
  };

  Sorter small(shape_, list_bytes_);
  for (std::size_t r = 0; r < records.size(); ++r) {
    const Group& group = *groups_[records[r].group];
    if (group.spread) continue;
    small.begin();
    for (std::size_t i = 0; i < group.small.size();
         i += PackedEntry::bytes(records[r].group, list_bytes_)) {
      small.add(group.small.data() + i);
    }
    sort_part(small, r, 0);
  }

  std::atomic<std::uint64_t> shared = small.shared_count();
  std::atomic<std::size_t> next = 0;
  std::mutex failure_mutex;
  std::exception_ptr failure;
  const auto work = [&] {
    try {
      std::vector<Sorter> sorters(records.size(), Sorter(shape_, list_bytes_));
      for (std::size_t part = next++; part < Partitions::kCount; part = next++) {
        std::array<Sorter*, SerialKey::kGroupCount> by_group{};
        for (std::size_t r = 0; r < records.size(); ++r) {
          sorters[r].begin();
          by_group[records[r].group] = &sorters[r];
        }
        partitions_->for_each(part, [&](const std::uint8_t* packed) {
          by_group[PackedEntry::group(packed)]->add(packed);
        });
        for (std::size_t r = 0; r < records.size(); ++r) {
          if (groups_[records[r].group]->spread) sort_part(sorters[r], r, part);
        }
      }
      for (const Sorter& sorter : sorters) shared += sorter.shared_count();
    } catch (...) {
      const std::lock_guard lock(failure_mutex);
      failure = std::current_exception();
      next = Partitions::kCount;
    }
  };
  if (std::ranges::any_of(groups_, [](const auto& group) { return group && group->spread; })) {
    std::vector<std::jthread> helpers;
    for (unsigned i = 1; i < options_.threads; ++i) helpers.emplace_back(work);
    work();
  }
  if (failure) std::rethrow_exception(failure);
  shared_count_ = shared;  // a second round meets the same duplicates
}

// The last fence value of each group, then the checksums over what the storage really holds.
void IndexWriter::seal(std::vector<GroupRecord>& records, Storage& file) const {
  for (const GroupRecord& record : records) {
    const std::uint32_t end = static_cast<std::uint32_t>(record.entry_count);
    const std::uint64_t at =
        sections(record, shape_).extents[fence].offset + record.bucket_count * 4;
    file.write_at(at, {reinterpret_cast<const std::uint8_t*>(&end), sizeof end});
  }
  const Bytes written = file.read_back();
  for (GroupRecord& record : records) {
    const auto extents = sections(record, shape_).extents;
    for (std::size_t s = 0; s < kSectionCount; ++s) {
      record.checksums[s] = XXH3_64bits(written.data() + extents[s].offset, extents[s].bytes);
    }
  }
}

Result<IndexWriter::Outcome> IndexWriter::write(const IndexDescription& description,
                                                Storage& file) {
  if (description.lists.size() != options_.list_count || description.content != options_.content) {
    std::abort();  // a bug: entries of another shape than the description's
  }
  std::uint64_t added = 0;
  for (const auto& group : groups_) {
    if (!group) continue;
    added += group->count;
    if (group->count > kGroupEntriesMax) return Error{Errc::too_many_entries, 0, "entries"};
  }
  partitions_->seal();
  Outcome outcome;
  outcome.scratch_bytes = partitions_->scratch_bytes();
  outcome.entry_count = added;

  // Usually no serial is listed twice and the first round is the last; else the second one is, with
  // the counts that the first one found.
  std::vector<GroupRecord> records;
  std::uint64_t planned = 0;
  do {
    planned = outcome.entry_count;
    records = plan();
    outcome.file_bytes = file_bytes(records);
    file.resize(0);  // what a void round wrote must not stay behind as padding
    file.resize(outcome.file_bytes);
    sort_all(records, file);
    outcome.entry_count = 0;
    for (const GroupRecord& record : records) {
      outcome.entry_count += groups_[record.group]->remaining_total();
    }
  } while (outcome.entry_count != planned);
  outcome.duplicate_count = added - outcome.entry_count;
  outcome.shared_count = shared_count_;

  seal(records, file);
  file.write_at(0, head(description, records, outcome));
  return outcome;
}

}  // namespace pki
