#include "libpki/index_reader.hpp"

#include <xxhash.h>

#include <algorithm>
#include <cstring>

namespace pki {

using namespace index_format;

namespace {

// The reasons that the writer can have put into a file.
bool is_reason(std::uint8_t octet) {
  return octet == static_cast<std::uint8_t>(Reason::absent) ||
         (octet <= 10 && octet != 7 && octet != 8);
}

// Moments that a CRL can name: the years 0 to 9999.
bool is_time(std::int64_t seconds) {
  using std::chrono::year;
  constexpr Time kFirst = std::chrono::sys_days{year{0} / 1 / 1};
  constexpr Time kEnd = std::chrono::sys_days{year{10000} / 1 / 1};
  return seconds >= kFirst.time_since_epoch().count() && seconds < kEnd.time_since_epoch().count();
}

}  // namespace

SerialKey Index::Group::key(std::uint64_t i) const {
  SerialKey key;
  key.group = number;
  key.lead = leads[i];
  if (tail_bytes > 0) std::memcpy(key.tail.data(), tails + i * tail_bytes, tail_bytes);
  return key;
}

bool Index::Group::before(std::uint64_t i, const SerialKey& key) const {
  if (leads[i] != key.lead) return leads[i] < key.lead;
  return tail_bytes > 0 && std::memcmp(tails + i * tail_bytes, key.tail.data(), tail_bytes) < 0;
}

bool Index::Group::same(std::uint64_t i, const SerialKey& key) const {
  return leads[i] == key.lead &&
         (tail_bytes == 0 || std::memcmp(tails + i * tail_bytes, key.tail.data(), tail_bytes) == 0);
}

std::optional<Revocation> Index::lookup(const SerialKey& key) const {
  const std::uint8_t slot = slot_[key.group];
  if (slot == 0) return std::nullopt;
  const Group& group = groups_[slot - 1U];
  const std::uint64_t bucket = bucket_of(key.lead, group.buckets);
  std::uint64_t low = group.fence[bucket];
  std::uint64_t high = group.fence[bucket + 1];
  constexpr std::uint64_t kScanMax = 32;  // a bucket holds five; only contrived keys fill one so
  while (high - low > kScanMax) {
    const std::uint64_t middle = low + (high - low) / 2;
    if (group.before(middle, key)) {
      low = middle + 1;
    } else {
      high = middle + 1;
    }
  }
  // What a hit will read is asked for now, so that it waits for two misses of the cache, not for
  // three.
  __builtin_prefetch(group.times + low);
  __builtin_prefetch(group.reasons + low);
  if (group.tail_bytes > 0) __builtin_prefetch(group.tails + low * group.tail_bytes);
  for (std::uint64_t i = low; i < high; ++i) {
    if (group.leads[i] < key.lead) continue;
    if (group.same(i, key)) return group.revocation(i);
    if (group.leads[i] > key.lead) break;
  }
  return std::nullopt;
}

Result<Index> Index::describe(Bytes file) {
  Index index;
  PKI_TRY(index.read_tables(file));
  return index;
}

Result<Index> Index::open(Bytes file) {
  Index index;
  PKI_TRY(index.read_tables(file));
  std::uint64_t offset =
      align(sizeof(Header) + tables_bytes(index.header_.list_count, index.header_.group_count));
  std::uint64_t entries = 0;
  std::uint32_t groups_from = 0;  // groups ascend
  for (const GroupRecord& record : index.records_) {
    const Error bad{Errc::index_layout, offset, "group"};
    if (record.group < groups_from || record.group >= SerialKey::kGroupCount) return bad;
    if (record.entry_count == 0 || record.entry_count > kGroupEntriesMax) return bad;
    if (record.bucket_count == 0 || record.bucket_count > kGroupEntriesMax) return bad;
    if (record.offset != offset || record.zero != 0 || record.reserved != 0) return bad;
    groups_from = record.group + 1;
    entries += record.entry_count;
    offset = sections(record).end;
    if (offset > file.size()) return bad;
    PKI_TRY(index.open_group(file, record));
    index.slot_[record.group] = static_cast<std::uint8_t>(index.groups_.size());
  }
  if (offset != file.size()) return Error{Errc::index_layout, offset, "end of the sections"};
  if (entries != index.header_.entry_count) {
    return Error{Errc::index_layout, offsetof(Header, entry_count), "entry_count"};
  }
  PKI_TRY(index.verify_padding(file));
  return index;
}

// The gaps before and between the sections are zero, so that no bit of a file can change unnoticed.
Result<void> Index::verify_padding(Bytes file) const {
  std::uint64_t end = sizeof(Header) +
                      tables_bytes(header_.list_count, header_.group_count);  // of what came before
  const auto is_zero = [&](std::uint64_t next) {
    return std::ranges::all_of(file.subspan(end, next - end),
                               [](auto octet) { return octet == 0; });
  };
  for (const GroupRecord& record : records_) {
    for (const Extent& extent : sections(record).extents) {
      if (!is_zero(extent.offset)) return Error{Errc::index_layout, end, "padding"};
      end = extent.offset + extent.bytes;
    }
  }
  if (!is_zero(file.size())) return Error{Errc::index_layout, end, "padding"};
  return {};
}

// Header, list table and group table. Nothing is believed before the checksum was right.
Result<void> Index::read_tables(Bytes file) {
  const auto refuse = [](Errc code, std::uint64_t at) { return Error{code, at, "header"}; };
  if (file.size() < kMagic.size() || !equal(file.first(kMagic.size()), kMagic)) {
    return refuse(Errc::index_bad_magic, 0);
  }
  if (file.size() < sizeof(Header)) return refuse(Errc::index_size, file.size());
  std::memcpy(&header_, file.data(), sizeof header_);
  if (header_.version != kVersion) return refuse(Errc::index_version, offsetof(Header, version));
  if (header_.file_bytes != file.size()) {
    return refuse(Errc::index_size, offsetof(Header, file_bytes));
  }
  if (header_.list_count == 0 || header_.list_count > kListCountMax ||
      header_.group_count > SerialKey::kGroupCount) {
    return refuse(Errc::index_layout, offsetof(Header, list_count));
  }
  const std::uint64_t tables = tables_bytes(header_.list_count, header_.group_count);
  if (file.size() - sizeof(Header) < tables) return refuse(Errc::index_size, sizeof(Header));
  const Bytes head = file.first(sizeof(Header) + tables);
  if (head_checksum(head) != header_.checksum) {
    return refuse(Errc::index_header_checksum, offsetof(Header, checksum));
  }
  if (header_.zero != 0 || header_.reserved[0] != 0 || header_.reserved[1] != 0) {
    return refuse(Errc::index_layout, offsetof(Header, zero));
  }

  if (!is_time(header_.this_update) || !is_time(header_.next_update) ||
      !is_time(header_.created_at)) {
    return refuse(Errc::index_layout, offsetof(Header, this_update));
  }
  const std::uint8_t* at = file.data() + sizeof(Header);
  for (std::uint32_t i = 0; i < header_.list_count; ++i, at += sizeof(ListRecord)) {
    ListRecord record;
    std::memcpy(&record, at, sizeof record);
    if (!is_time(record.this_update) || !is_time(record.next_update)) {
      return refuse(Errc::index_layout, static_cast<std::uint64_t>(at - file.data()));
    }
    lists_.push_back({CrlNumber(record.crl_number), time(record.this_update),
                      time(record.next_update), record.entry_count, record.identity, record.scope});
  }
  records_.resize(header_.group_count);
  if (!records_.empty()) std::memcpy(records_.data(), at, records_.size() * sizeof(GroupRecord));
  return {};
}

Result<void> Index::open_group(Bytes file, const GroupRecord& record) {
  constexpr std::array<const char*, kSectionCount> kNames = {"fence", "leads", "tails", "times",
                                                             "reasons"};
  const auto extents = sections(record).extents;
  for (std::size_t s = 0; s < kSectionCount; ++s) {
    const Bytes section = file.subspan(extents[s].offset, extents[s].bytes);
    if (XXH3_64bits(section.data(), section.size()) != record.checksums[s]) {
      return Error{Errc::index_section_checksum, extents[s].offset, kNames[s]};
    }
  }
  const auto at = [&](Section section) { return file.data() + extents[section].offset; };
  Group group;
  group.number = static_cast<std::uint8_t>(record.group);
  group.tail_bytes = static_cast<std::uint32_t>(SerialKey::tail_size_of(record.group));
  group.count = record.entry_count;
  group.buckets = record.bucket_count;
  // Sections are aligned to 64 octets within a file that is mapped at a page.
  group.fence = reinterpret_cast<const std::uint32_t*>(at(fence));
  group.leads = reinterpret_cast<const std::uint64_t*>(at(leads));
  group.tails = at(tails);
  group.times = reinterpret_cast<const std::uint32_t*>(at(times));
  group.reasons = at(reasons);
  PKI_TRY(verify_order(group, extents[leads].offset));
  if (!std::all_of(group.reasons, group.reasons + group.count, is_reason)) {
    return Error{Errc::index_order, extents[reasons].offset, "reasons"};
  }
  groups_.push_back(group);
  return {};
}

// Keys ascend strictly, and each lies in the bucket whose fences enclose it.
Result<void> Index::verify_order(const Group& group, std::uint64_t offset) {
  std::uint64_t i = 0;
  for (std::uint64_t bucket = 0; bucket < group.buckets; ++bucket) {
    const std::uint64_t end = group.fence[bucket + 1];
    if (group.fence[bucket] != i || end < i || end > group.count) {
      return Error{Errc::index_order, offset, "fence"};
    }
    for (; i < end; ++i) {
      const bool ascends = i == 0 || group.leads[i - 1] < group.leads[i] ||
                           (group.tail_bytes > 0 && group.before(i - 1, group.key(i)));
      if (!ascends || bucket_of(group.leads[i], group.buckets) != bucket) {
        return Error{Errc::index_order, offset + i * 8, "leads"};
      }
    }
  }
  if (i != group.count) return Error{Errc::index_order, offset, "fence"};
  return {};
}

void Index::diff(const Index& before, const Index& after,
                 const std::function<void(const Difference&)>& visit) {
  const auto group_of = [](const Index& index, std::size_t g) {
    return index.slot_[g] == 0 ? nullptr : &index.groups_[index.slot_[g] - 1U];
  };
  for (std::size_t g = 0; g < SerialKey::kGroupCount; ++g) {
    diff_groups(group_of(before, g), group_of(after, g), visit);
  }
}

void Index::diff_groups(const Group* before, const Group* after,
                        const std::function<void(const Difference&)>& visit) {
  const std::uint64_t before_count = before == nullptr ? 0 : before->count;
  const std::uint64_t after_count = after == nullptr ? 0 : after->count;
  std::uint64_t b = 0;
  std::uint64_t a = 0;
  while (b < before_count || a < after_count) {
    // Runs of equal keys are the rule; look at nothing else for them.
    const bool has_both = b < before_count && a < after_count;
    if (has_both && after->leads[a] == before->leads[b] && before->same(b, after->key(a))) {
      if (before->times[b] != after->times[a] || before->reasons[b] != after->reasons[a]) {
        visit({after->key(a), before->revocation(b), after->revocation(a)});
      }
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

}  // namespace pki
