// fuzz_index.cpp: Index::open over arbitrary bytes, and whatever can be asked of what opens.
//
// Each input is opened twice: as it is, and with its size and checksums put right, since no fuzzer
// guesses a checksum and the checks behind it would never see a hostile file.
#include <xxhash.h>

#include "fuzz_index_support.hpp"
#include "libpki/generation.hpp"

namespace {

using namespace pki::index_format;
using pki::Bytes;
using pki::Generation;
using pki::Index;
using pki::SerialKey;

template <class T>
T load(const fuzz::AlignedBytes& file, std::size_t at) {
  T value;
  std::memcpy(&value, file.bytes().data() + at, sizeof value);
  return value;
}

template <class T>
void store(fuzz::AlignedBytes& file, std::size_t at, const T& value) {
  std::memcpy(file.data() + at, &value, sizeof value);
}

// The checksums of one group's sections, where these lie inside the file.
void repair_group(fuzz::AlignedBytes& file, std::size_t at, EntryShape shape) {
  auto group = load<GroupRecord>(file, at);
  if (group.group >= SerialKey::kGroupCount || group.entry_count > file.size() ||
      group.bucket_count > file.size() || group.offset > file.size()) {
    return;
  }
  const auto extents = sections(group, shape).extents;
  for (std::size_t s = 0; s < kSectionCount; ++s) {
    const auto [offset, bytes] = extents[s];
    if (offset > file.size() || bytes > file.size() - offset) return;
    group.checksums[s] = XXH3_64bits(file.data() + offset, bytes);
  }
  store(file, at, group);
}

// `input` in a buffer of a size that an index can have, its size and checksums put right as far as
// that can be done.
fuzz::AlignedBytes repair(Bytes input) {
  fuzz::AlignedBytes file(align(std::max(input.size(), sizeof(Header))));
  if (!input.empty()) std::memcpy(file.data(), input.data(), input.size());
  auto header = load<Header>(file, 0);
  header.magic = kMagic;
  header.version = kVersion;
  header.file_bytes = file.size();
  store(file, 0, header);
  const std::uint64_t tables = tables_bytes(header.list_count, header.group_count);
  if (tables > file.size() - sizeof(Header)) return file;
  for (std::uint32_t i = 0; i < header.group_count; ++i) {
    repair_group(file, sizeof(Header) + tables_bytes(header.list_count, i),
                 shape_of(header.flags, header.list_count));
  }
  header.checksum = head_checksum(file.bytes().first(sizeof(Header) + tables));
  store(file, 0, header);
  return file;
}

// A key no writer would make: its tail or its sign octet belongs to a shorter serial.
bool is_canonical(const SerialKey& key) {
  return SerialKey::from_der(key.to_der()) == key;
}

// Keys made of the file's own bytes: most are misses, close to what is there.
void check_random_lookups(const Index& index, const fuzz::Table& table, Bytes file) {
  for (std::size_t at = 0; at + 21 <= file.size(); at += 21) {
    SerialKey key;
    key.group = static_cast<std::uint8_t>(file[at] % SerialKey::kGroupCount);
    std::memcpy(&key.lead, file.data() + at + 1, sizeof key.lead);
    std::memcpy(key.tail.data(), file.data() + at + 9, key.tail_size());
    FUZZ_CHECK(index.find(key) == fuzz::find(table, key));
  }
}

pki::IndexDescription description_of(const Index& index) {
  pki::IndexDescription description;
  std::ranges::copy(index.issuer_key_hash(), description.issuer_key_hash.begin());
  description.generation = index.generation() + 1;
  description.created_at = index.created_at();
  description.lists = index.lists();
  description.content = index.content();
  description.base = index.base();
  description.listed_count = index.listed_count();
  return description;
}

fuzz::WrittenIndex write(const pki::IndexDescription& description, const fuzz::Table& table) {
  return {description, [&](pki::IndexWriter& writer) {
            for (const auto& [key, entry] : table) writer.add(key, entry.revocation, entry.list);
          }};
}

// The same entries written anew: no difference.
void check_rewritten(const Index& index, const fuzz::Table& table) {
  const fuzz::WrittenIndex again = write(description_of(index), table);
  fuzz::check_lookups(*again.index, table);
  const auto none = [](const pki::Difference&) { FUZZ_CHECK(false); };
  diff(Generation(index), Generation(*again.index), none);
  diff(Generation(*again.index), Generation(index), none);
}

// Diff names every key of `before` whose status is another one in `after`, and nothing else.
void check_diff(const Generation& was, const fuzz::Table& before, const Generation& is,
                const fuzz::Table& after) {
  std::map<SerialKey, pki::Difference, fuzz::KeyOrder> found;
  diff(was, is, [&](const pki::Difference& difference) {
    FUZZ_CHECK(found.try_emplace(difference.key, difference).second);
  });
  for (const auto& [key, entry] : before) {
    const auto now = fuzz::find(after, key);
    const auto named = found.find(key);
    const bool differs = !now || now->revocation != entry.revocation;
    FUZZ_CHECK(differs == (named != found.end()));
    if (!differs) continue;
    FUZZ_CHECK(named->second.before == entry.revocation);
    FUZZ_CHECK(named->second.after.has_value() == now.has_value());
    if (now) FUZZ_CHECK(named->second.after == now->revocation);
    found.erase(named);
  }
  FUZZ_CHECK(found.empty());
}

// Some entries removed, some held, some as they were: as a file of its own, and as an overlay.
void check_changed(const Index& index, const fuzz::Table& table) {
  fuzz::Table changed;
  fuzz::Table overlay;
  std::size_t number = 0;
  for (auto [key, entry] : table) {
    const std::size_t fate = number++ % 3;
    if (fate == 1) entry.revocation.reason = pki::Reason::certificate_hold;
    if (fate != 0) changed.emplace(key, entry);
    if (fate == 0) entry.revocation.reason = pki::Reason::remove_from_crl;
    if (fate != 2) overlay.emplace(key, entry);
  }
  const fuzz::WrittenIndex after = write(description_of(index), changed);
  check_diff(Generation(index), table, Generation(*after.index), changed);

  const auto is_delta = [](const pki::IndexedList& list) { return list.base.has_value(); };
  if (index.base() || std::ranges::any_of(index.lists(), is_delta)) return;
  pki::IndexDescription description = description_of(index);
  description.base = index.reference();
  description.listed_count = changed.size();
  const fuzz::WrittenIndex on_top = write(description, overlay);
  const auto joined = Generation::join(index, *on_top.index);
  FUZZ_CHECK(joined.has_value());
  FUZZ_CHECK(joined->listed_count() == changed.size());
  for (const auto& [key, entry] : table) {
    const auto expected = fuzz::find(changed, key);
    const pki::Finding finding = joined->find(key);
    FUZZ_CHECK(finding.revocation.has_value() == expected.has_value());
    if (expected) FUZZ_CHECK(finding.revocation == expected->revocation);
  }
  check_diff(Generation(index), table, *joined, changed);
  const auto none = [](const pki::Difference&) { FUZZ_CHECK(false); };
  diff(*joined, Generation(*after.index), none);
}

void check_description(const Index& index) {
  FUZZ_CHECK(!index.lists().empty());
  const pki::FreshnessTable freshness(index.lists());
  for (std::size_t i = 0; i < index.lists().size(); ++i) {
    const pki::IndexedList& list = index.lists()[i];
    FUZZ_CHECK(!list.number.to_string().empty());
    FUZZ_CHECK(!pki::to_string(list.this_update).empty());
    FUZZ_CHECK(!pki::to_string(list.next_update).empty());
    const auto since = list.expired_certificates_since;
    FUZZ_CHECK(!since || !pki::to_string(*since).empty());
    FUZZ_CHECK(freshness.of_absent().this_update <= freshness.of(i).this_update);
    FUZZ_CHECK(freshness.of_absent().end <= freshness.of(i).end);
  }
  FUZZ_CHECK(!pki::to_string(index.created_at()).empty());
  FUZZ_CHECK(!pki::to_string(index.this_update()).empty());
  FUZZ_CHECK(!pki::to_string(index.next_update()).empty());
}

// Sections that nobody checked: whatever a lookup says, it can be shown and dated.
void check_attached(Bytes file) {
  const auto index = Index::attach(file);
  fuzz::check_refusal(index, file.size());
  if (!index) return;
  const Generation generation(*index);
  const auto check_entry = [&](const pki::IndexEntry& entry) {
    FUZZ_CHECK(entry.list < index->lists().size());
    FUZZ_CHECK(!pki::to_string(entry.revocation.reason).empty());
    static_cast<void>(generation.freshness({entry.revocation, entry.list}));
  };
  index->for_each([&](const SerialKey& key, const pki::IndexEntry& entry) {
    check_entry(entry);
    if (const auto found = index->find(key)) check_entry(*found);
  });
}

void check(Bytes file) {
  check_attached(file);
  const auto index = Index::open(file);
  fuzz::check_refusal(index, file.size());
  if (!index) return;
  FUZZ_CHECK(index->file_bytes() == file.size());
  check_description(*index);

  fuzz::Table table;
  bool canonical = true;
  index->for_each([&](const SerialKey& key, const pki::IndexEntry& entry) {
    FUZZ_CHECK(table.emplace(key, entry).second);
    FUZZ_CHECK(!pki::to_string(entry.revocation.reason).empty());
    FUZZ_CHECK(entry.list < index->lists().size());
    canonical = canonical && is_canonical(key);
  });
  fuzz::check_lookups(*index, table);
  check_random_lookups(*index, table, file);
  diff(Generation(*index), Generation(*index), [](const pki::Difference&) { FUZZ_CHECK(false); });
  if (!canonical) return;
  check_rewritten(*index, table);
  if (index->content() == pki::IndexContent::revocations) check_changed(*index, table);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::Run run;
  fuzz::AlignedBytes as_is(size);
  if (size > 0) std::memcpy(as_is.data(), data, size);
  check(as_is.bytes());
  check(repair({data, size}).bytes());
  return 0;
}
