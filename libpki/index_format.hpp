// index_format.hpp: the layout of an index file, version 1. index_format.md explains it with a
// picture and a hexdump. Written by index_writer.cpp, read by index_reader.cpp.
//
// All numbers are little-endian, but for CRL numbers, which are big-endian as in DER.
// DO NOT CHANGE what is here: a new layout is a new version.
#pragma once

#include <array>
#include <cstdint>
#include <type_traits>

#include "libpki/serial.hpp"

namespace pki::index_format {

inline constexpr std::array<std::uint8_t, 8> kMagic = {0x89, 'T', 'A', 'S', 'H', 'I', 'K', 'A'};
inline constexpr std::uint32_t kVersion = 1;
inline constexpr std::uint64_t kAlignment = 64;        // of every section
inline constexpr std::uint64_t kEntriesPerBucket = 5;  // on average; what the writer aims at
inline constexpr std::uint64_t kGroupEntriesMax = 0xFFFFFFFE;
inline constexpr std::uint32_t kListCountMax = 1U << 20;

struct Header {
  std::array<std::uint8_t, 8> magic;
  std::uint32_t version;
  std::uint32_t list_count;   // ListRecords after the header, 1 to kListCountMax
  std::uint32_t group_count;  // GroupRecords after those, 0 to SerialKey::kGroupCount
  std::uint32_t zero;
  std::uint64_t file_bytes;
  std::uint64_t entry_count;                     // over all groups
  std::uint64_t generation;                      // counts up by one with each publish
  std::int64_t this_update;                      // the oldest of the lists', Unix seconds
  std::int64_t next_update;                      // the earliest of the lists', Unix seconds
  std::int64_t created_at;                       // Unix seconds
  std::array<std::uint8_t, 32> issuer_key_hash;  // SHA-256 of the issuer's SubjectPublicKeyInfo
  std::uint64_t reserved[2];                     // zero
  std::uint64_t checksum;                        // see head_checksum()
};
static_assert(sizeof(Header) == 128 && std::is_trivially_copyable_v<Header>);

// One CRL that went into the index.
struct ListRecord {
  std::array<std::uint8_t, 20> crl_number;  // big-endian
  std::uint32_t zero;
  std::int64_t this_update;  // Unix seconds
  std::int64_t next_update;
  std::uint64_t entry_count;              // as in the list, before duplicates were joined
  std::array<std::uint8_t, 32> identity;  // SHA-256 of the digest that was signed
  std::array<std::uint8_t, 32> scope;     // zero: complete for the issuer
  std::uint64_t reserved[2];              // zero
};
static_assert(sizeof(ListRecord) == 128 && std::is_trivially_copyable_v<ListRecord>);

// The sections of a group, in the order of the file.
enum Section : std::uint8_t { fence, leads, tails, times, reasons, kSectionCount };

// The serials of one sign and width (SerialKey::group). Groups ascend; none is empty.
struct GroupRecord {
  std::uint32_t group;
  std::uint32_t zero;
  std::uint64_t entry_count;   // 1 to kGroupEntriesMax
  std::uint64_t bucket_count;  // 1 to kGroupEntriesMax
  std::uint64_t offset;        // of the first section; the others follow, see sections()
  std::array<std::uint64_t, kSectionCount> checksums;  // XXH3-64 of each section, without padding
  std::uint64_t reserved;                              // zero
};
static_assert(sizeof(GroupRecord) == 80 && std::is_trivially_copyable_v<GroupRecord>);

struct Extent {
  std::uint64_t offset;
  std::uint64_t bytes;
};
struct Sections {
  std::array<Extent, kSectionCount> extents;
  std::uint64_t end;  // where the next group starts
};

[[nodiscard]] constexpr std::uint64_t align(std::uint64_t offset) {
  return (offset + kAlignment - 1) / kAlignment * kAlignment;
}

// Where the sections of a group lie. Counts are within the limits above, so nothing overflows.
[[nodiscard]] constexpr Sections sections(const GroupRecord& group) {
  const std::uint64_t n = group.entry_count;
  const std::array<std::uint64_t, kSectionCount> sizes = {
      (group.bucket_count + 1) * 4, n * 8, n * SerialKey::tail_size_of(group.group), n * 4, n};
  Sections out{};
  std::uint64_t at = group.offset;
  for (std::size_t i = 0; i < kSectionCount; ++i) {
    out.extents[i] = {at, sizes[i]};
    at = align(at + sizes[i]);
  }
  out.end = at;
  return out;
}

[[nodiscard]] constexpr std::uint64_t tables_bytes(std::uint64_t list_count,
                                                   std::uint64_t group_count) {
  return list_count * sizeof(ListRecord) + group_count * sizeof(GroupRecord);
}

// The bucket of a lead: the fence at it and at the next one enclose every entry that can match.
[[nodiscard]] constexpr std::uint64_t bucket_of(std::uint64_t lead, std::uint64_t bucket_count) {
  __extension__ using Wide = unsigned __int128;
  return static_cast<std::uint64_t>(static_cast<Wide>(lead) * bucket_count >> 64);
}

// The checksum of `head`, which is the header and both tables: XXH3-64 of two XXH3-64 values, that
// of the header up to its checksum and that of the tables.
[[nodiscard]] std::uint64_t head_checksum(Bytes head);

}  // namespace pki::index_format
