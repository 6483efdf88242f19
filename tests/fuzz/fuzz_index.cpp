// fuzz_index.cpp: Index::open over arbitrary bytes, and whatever can be asked of what opens.
//
// Each input is opened twice: as it is, and with its size and checksums put right, since no fuzzer
// guesses a checksum and the checks behind it would never see a hostile file.
#include <xxhash.h>

#include "fuzz_index_support.hpp"

namespace {

using namespace pki::index_format;
using pki::Bytes;
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
void repair_group(fuzz::AlignedBytes& file, std::size_t at) {
  auto group = load<GroupRecord>(file, at);
  if (group.group >= SerialKey::kGroupCount || group.entry_count > file.size() ||
      group.bucket_count > file.size() || group.offset > file.size()) {
    return;
  }
  const auto extents = sections(group).extents;
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
    repair_group(file, sizeof(Header) + tables_bytes(header.list_count, i));
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
    FUZZ_CHECK(index.lookup(key) == fuzz::find(table, key));
  }
}

pki::IndexDescription description_of(const Index& index) {
  pki::IndexDescription description;
  description.generation = index.generation() + 1;
  description.created_at = index.created_at();
  description.lists = index.lists();
  return description;
}

// The same entries written anew: no difference.
void check_rewritten(const Index& index, const fuzz::Table& table) {
  const fuzz::WrittenIndex again(description_of(index), [&](pki::IndexWriter& writer) {
    for (const auto& [key, revocation] : table) {
      const auto serial = key.to_der();
      writer.add({serial, revocation.date, revocation.reason, std::nullopt});
    }
  });
  fuzz::check_lookups(*again.index, table);
  const auto none = [](const Index::Difference&) { FUZZ_CHECK(false); };
  Index::diff(index, *again.index, none);
  Index::diff(*again.index, index, none);
}

// Some entries removed, some held, some as they were: diff names the first two and nothing else.
void check_changed(const Index& index, const fuzz::Table& table) {
  fuzz::Table changed;
  std::size_t number = 0;
  for (auto [key, revocation] : table) {
    const std::size_t fate = number++ % 3;
    if (fate == 0) continue;
    if (fate == 1) revocation.reason = pki::Reason::certificate_hold;
    changed.emplace(key, revocation);
  }
  const fuzz::WrittenIndex after(description_of(index), [&](pki::IndexWriter& writer) {
    for (const auto& [key, revocation] : changed) {
      const auto serial = key.to_der();
      writer.add({serial, revocation.date, revocation.reason, std::nullopt});
    }
  });
  auto expected = table.begin();
  const auto skip_unchanged = [&] {
    while (expected != table.end() &&
           fuzz::find(changed, expected->first) == std::optional{expected->second}) {
      ++expected;
    }
  };
  Index::diff(index, *after.index, [&](const Index::Difference& difference) {
    skip_unchanged();
    FUZZ_CHECK(expected != table.end() && difference.key == expected->first);
    FUZZ_CHECK(difference.before == expected->second);
    FUZZ_CHECK(difference.after == fuzz::find(changed, difference.key));
    ++expected;
  });
  skip_unchanged();
  FUZZ_CHECK(expected == table.end());
}

void check_description(const Index& index) {
  FUZZ_CHECK(!index.lists().empty());
  for (const pki::IndexedList& list : index.lists()) {
    FUZZ_CHECK(!list.number.to_string().empty());
    FUZZ_CHECK(!pki::to_string(list.this_update).empty());
    FUZZ_CHECK(!pki::to_string(list.next_update).empty());
  }
  FUZZ_CHECK(!pki::to_string(index.created_at()).empty());
  FUZZ_CHECK(!pki::to_string(index.this_update()).empty());
  FUZZ_CHECK(!pki::to_string(index.next_update()).empty());
}

void check(Bytes file) {
  const auto index = Index::open(file);
  fuzz::check_refusal(index, file.size());
  if (!index) return;
  FUZZ_CHECK(index->file_bytes() == file.size());
  check_description(*index);

  fuzz::Table table;
  bool canonical = true;
  index->for_each([&](const SerialKey& key, const pki::Revocation& revocation) {
    FUZZ_CHECK(table.emplace(key, revocation).second);
    FUZZ_CHECK(!pki::to_string(revocation.reason).empty());
    canonical = canonical && is_canonical(key);
  });
  fuzz::check_lookups(*index, table);
  check_random_lookups(*index, table, file);
  Index::diff(*index, *index, [](const Index::Difference&) { FUZZ_CHECK(false); });
  if (!canonical) return;
  check_rewritten(*index, table);
  check_changed(*index, table);
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
