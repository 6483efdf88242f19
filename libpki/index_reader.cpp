#include "libpki/index_reader.hpp"

#include <xxhash.h>

#include <algorithm>
#include <cstring>

namespace pki {

using namespace index_format;

namespace {

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

std::optional<Index::Place> Index::locate(const SerialKey& key) const {
  const Group* const group = this->group(key.group);
  if (group == nullptr) return std::nullopt;
  const BucketPlace place = place_of(key.lead, group->buckets);
  // A fence that was damaged since the file was verified must not lead out of it.
  std::uint64_t high = std::min<std::uint64_t>(group->fence[place.bucket + 1], group->count);
  std::uint64_t low = std::min<std::uint64_t>(group->fence[place.bucket], high);
  if (low == high) return std::nullopt;
  // Keys are spread evenly, so how far into its bucket a key belongs tells where it is, give or
  // take four. All that a hit will read is asked for now: it waits for one miss of the cache, not
  // for three.
  std::uint64_t at = low + scale(place.fraction, high - low);
  if (group->times != nullptr) {
    __builtin_prefetch(group->times + at);
    __builtin_prefetch(group->reasons + at);
  }
  if (group->tail_bytes > 0) __builtin_prefetch(group->tails + at * group->tail_bytes);
  if (group->lists != nullptr) __builtin_prefetch(group->lists + at);
  constexpr std::uint64_t kWalkMax = 512;  // only contrived keys fill a bucket so
  while (high - low > kWalkMax) {
    const std::uint64_t middle = low + (high - low) / 2;
    (group->before(middle, key) ? low : high) = middle + 1;
    at = low;
  }
  if (group->leads[at] < key.lead) {
    do ++at;
    while (at < high && group->leads[at] < key.lead);
  } else {
    while (at > low && group->leads[at - 1] >= key.lead) --at;
  }
  for (; at < high && group->leads[at] == key.lead; ++at) {
    if (group->same(at, key)) return Place{group, at};
  }
  return std::nullopt;
}

std::optional<IndexEntry> Index::find(const SerialKey& key) const {
  const auto place = locate(key);
  if (!place) return std::nullopt;
  return place->group->entry(place->position);
}

std::optional<Revocation> Index::lookup(const SerialKey& key) const {
  const auto place = locate(key);
  if (!place) return std::nullopt;
  return place->group->revocation(place->position);
}

bool Index::contains(const SerialKey& key) const {
  return locate(key).has_value();
}

Result<Index> Index::describe(Bytes file) {
  Index index;
  PKI_TRY(index.read_tables(file));
  return index;
}

Result<Index> Index::attach(Bytes file) {
  PKI_TRY_ASSIGN(Index index, describe(file));
  PKI_TRY(index.locate_groups(file));
  return index;
}

Result<Index> Index::open(Bytes file) {
  PKI_TRY_ASSIGN(Index index, attach(file));
  PKI_TRY(index.verify(file));
  return index;
}

// Where every section of every group lies, all of it within the file.
Result<void> Index::locate_groups(Bytes file) {
  std::uint64_t offset =
      align(sizeof(Header) + tables_bytes(header_.list_count, header_.group_count));
  std::uint64_t entries = 0;
  std::uint32_t groups_from = 0;  // groups ascend
  for (const GroupRecord& record : records_) {
    const Error bad{Errc::index_layout, offset, "group"};
    if (record.group < groups_from || record.group >= SerialKey::kGroupCount) return bad;
    if (record.entry_count == 0 || record.entry_count > kGroupEntriesMax) return bad;
    if (record.bucket_count == 0 || record.bucket_count > kGroupEntriesMax) return bad;
    if (record.offset != offset || record.zero != 0) return bad;
    groups_from = record.group + 1;
    entries += record.entry_count;
    const Sections where = sections(record, shape_);
    offset = where.end;
    if (offset > file.size()) return bad;

    const auto at = [&](Section section) { return file.data() + where.extents[section].offset; };
    Group& group = groups_.emplace_back();
    group.number = static_cast<std::uint8_t>(record.group);
    group.tail_bytes = static_cast<std::uint32_t>(SerialKey::tail_size_of(record.group));
    group.count = record.entry_count;
    group.buckets = record.bucket_count;
    // Sections are aligned to 64 octets within a file that is mapped at a page.
    group.fence = reinterpret_cast<const std::uint32_t*>(at(fence));
    group.leads = reinterpret_cast<const std::uint64_t*>(at(leads));
    group.tails = at(tails);
    if (shape_.has_status) {
      group.times = reinterpret_cast<const std::uint32_t*>(at(times));
      group.reasons = at(reasons);
    }
    if (shape_.has_list) {
      group.lists = reinterpret_cast<const std::uint16_t*>(at(index_format::lists));
      group.list_last = static_cast<std::uint16_t>(header_.list_count - 1);
    }
    slot_[record.group] = static_cast<std::uint8_t>(groups_.size());
  }
  if (offset != file.size()) return Error{Errc::index_layout, offset, "end of the sections"};
  if (entries != header_.entry_count) {
    return Error{Errc::index_layout, offsetof(Header, entry_count), "entry_count"};
  }
  return {};
}

Result<void> Index::verify(Bytes file) const {
  constexpr std::array<const char*, kSectionCount> kNames = {"fence", "leads",   "tails",
                                                             "times", "reasons", "lists"};
  for (std::size_t g = 0; g < records_.size(); ++g) {
    const Sections where = sections(records_[g], shape_);
    for (std::size_t s = 0; s < kSectionCount; ++s) {
      const Bytes section = file.subspan(where.extents[s].offset, where.extents[s].bytes);
      if (XXH3_64bits(section.data(), section.size()) != records_[g].checksums[s]) {
        return Error{Errc::index_section_checksum, where.extents[s].offset, kNames[s]};
      }
    }
    PKI_TRY(verify_order(groups_[g], where.extents[leads].offset));
    PKI_TRY(verify_entries(groups_[g], where));
  }
  return verify_padding(file);
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
    for (const Extent& extent : sections(record, shape_).extents) {
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
  const bool reserved = std::ranges::any_of(header_.reserved, [](auto word) { return word != 0; });
  const bool has_base = header_.base_generation != 0 || header_.base_checksum != 0;
  if (reserved || (header_.flags & ~kKnownFlags) != 0 || (has_base && !has(kOverlay))) {
    return refuse(Errc::index_layout, offsetof(Header, flags));
  }
  if (!is_time(header_.this_update) || !is_time(header_.next_update) ||
      !is_time(header_.created_at)) {
    return refuse(Errc::index_layout, offsetof(Header, this_update));
  }
  shape_ = shape_of(header_.flags, header_.list_count);
  const std::uint8_t* at = file.data() + sizeof(Header);
  for (std::uint32_t i = 0; i < header_.list_count; ++i, at += sizeof(ListRecord)) {
    if (!read_list(at)) {
      return refuse(Errc::index_layout, static_cast<std::uint64_t>(at - file.data()));
    }
  }
  records_.resize(header_.group_count);
  if (!records_.empty()) std::memcpy(records_.data(), at, records_.size() * sizeof(GroupRecord));
  return {};
}

Result<void> Index::read_list(const std::uint8_t* at) {
  ListRecord record;
  std::memcpy(&record, at, sizeof record);
  const bool has_expired_since = record.expired_since != INT64_MIN;
  const bool reserved = record.zero != 0 || record.reserved[0] != 0 || record.reserved[1] != 0;
  const bool has_base = record.base_number != std::array<std::uint8_t, 20>{};
  if (!is_time(record.this_update) || !is_time(record.next_update) || reserved ||
      record.is_delta > 1 || (has_base && record.is_delta == 0) ||
      (has_expired_since && !is_time(record.expired_since))) {
    return Error{Errc::index_layout, 0, "list"};
  }
  IndexedList& list = lists_.emplace_back();
  list.number = CrlNumber(record.crl_number);
  list.this_update = time(record.this_update);
  list.next_update = time(record.next_update);
  list.entry_count = record.entry_count;
  list.identity = record.identity;
  list.scope = record.scope;
  if (record.is_delta == 1) list.base = CrlNumber(record.base_number);
  if (has_expired_since) list.expired_certificates_since = time(record.expired_since);
  return {};
}

// Reasons that exist, lists that are in the table.
Result<void> Index::verify_entries(const Group& group, const Sections& where) const {
  const auto end = [&group](const auto* column) { return column + group.count; };
  const bool is_overlay = has(kOverlay);
  constexpr std::uint8_t kRemoval = static_cast<std::uint8_t>(Reason::remove_from_crl);
  if (group.reasons != nullptr &&
      !std::all_of(group.reasons, end(group.reasons), [&](std::uint8_t reason) {
        return is_reason(reason) && (reason != kRemoval || is_overlay);
      })) {
    return Error{Errc::index_order, where.extents[reasons].offset, "reasons"};
  }
  if (group.lists != nullptr && *std::max_element(group.lists, end(group.lists)) >= lists_.size()) {
    return Error{Errc::index_order, where.extents[index_format::lists].offset, "lists"};
  }
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

}  // namespace pki
