// index_format.hpp: the layout of an index file, version 2. index_format.md explains it with a
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
inline constexpr std::uint32_t kVersion = 2;
inline constexpr std::uint64_t kAlignment = 64;         // of every section
inline constexpr std::uint64_t kEntriesPerBucket = 64;  // on average; what the writer aims at
inline constexpr std::uint64_t kGroupEntriesMax = 0xFFFFFFFE;
inline constexpr std::uint32_t kListCountMax = 1U << 16;  // an entry names its list in 2 bytes

// Header::flags
inline constexpr std::uint32_t kOverlay = 1;        // what differs from a base; see reasons
inline constexpr std::uint32_t kSharedSerials = 2;  // a serial stands on more than one of the lists
inline constexpr std::uint32_t kSerialsOnly = 4;    // issued serials: no times and no reasons
inline constexpr std::uint32_t kKnownFlags = 7;

struct Header {
  std::array<std::uint8_t, 8> magic;
  std::uint32_t version;
  std::uint32_t list_count;   // ListRecords after the header, 1 to kListCountMax
  std::uint32_t group_count;  // GroupRecords after those, 0 to SerialKey::kGroupCount
  std::uint32_t flags;
  std::uint64_t file_bytes;
  std::uint64_t entry_count;   // over all groups of this file
  std::uint64_t listed_count;  // serials that are listed: with the base's
  std::uint64_t generation;    // counts up by one with each publish
  std::int64_t this_update;    // of the oldest scope: what is on no list is as fresh, Unix seconds
  std::int64_t next_update;    // of the scope that ends first, Unix seconds
  std::int64_t created_at;     // Unix seconds
  std::array<std::uint8_t, 32> issuer_key_hash;  // SHA-256 of the issuer's SubjectPublicKeyInfo
  std::uint64_t base_generation;                 // of an overlay, else zero
  std::uint64_t base_checksum;                   // Header::checksum of that base
  std::uint64_t reserved[7];                     // zero
  std::uint64_t checksum;                        // see head_checksum()
};
static_assert(sizeof(Header) == 192 && std::is_trivially_copyable_v<Header>);

// One CRL that went into the index.
struct ListRecord {
  std::array<std::uint8_t, 20> crl_number;  // big-endian
  std::uint32_t is_delta;                   // 0 or 1
  std::int64_t this_update;                 // Unix seconds
  std::int64_t next_update;
  std::uint64_t entry_count;                 // as in the list, before duplicates were joined
  std::array<std::uint8_t, 32> identity;     // SHA-256 of the digest that was signed
  std::array<std::uint8_t, 32> scope;        // ScopeId; zero: complete for the issuer
  std::array<std::uint8_t, 20> base_number;  // of a delta, else zero
  std::uint32_t zero;
  std::int64_t expired_since;  // ExpiredCertsOnCRL, Unix seconds; INT64_MIN: not given
  std::uint64_t reserved[2];   // zero
};
static_assert(sizeof(ListRecord) == 160 && std::is_trivially_copyable_v<ListRecord>);

// The sections of a group, in the order of the file.
enum Section : std::uint8_t { fence, leads, tails, times, reasons, lists, kSectionCount };

// The serials of one sign and width (SerialKey::group). Groups ascend; none is empty.
struct GroupRecord {
  std::uint32_t group;
  std::uint32_t zero;
  std::uint64_t entry_count;   // 1 to kGroupEntriesMax
  std::uint64_t bucket_count;  // 1 to kGroupEntriesMax
  std::uint64_t offset;        // of the first section; the others follow, see sections()
  std::array<std::uint64_t, kSectionCount> checksums;  // XXH3-64 of each section, without padding
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

// What an entry has besides its key.
struct EntryShape {
  bool has_status = true;  // a time and a reason
  bool has_list = false;   // which of several lists it stands on
};
[[nodiscard]] constexpr EntryShape shape_of(std::uint32_t flags, std::uint32_t list_count) {
  const bool has_status = (flags & kSerialsOnly) == 0;
  return {has_status, has_status && list_count > 1};
}

// Where the sections of a group lie. Counts are within the limits above, so nothing overflows.
[[nodiscard]] constexpr Sections sections(const GroupRecord& group, EntryShape shape) {
  const std::uint64_t n = group.entry_count;
  const std::array<std::uint64_t, kSectionCount> sizes = {(group.bucket_count + 1) * 4,
                                                          n * 8,
                                                          n * SerialKey::tail_size_of(group.group),
                                                          shape.has_status ? n * 4 : 0,
                                                          shape.has_status ? n : 0,
                                                          shape.has_list ? n * 2 : 0};
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

// The upper half of a product of 128 bits: `factor` parts of 2^64 parts of `whole`.
[[nodiscard]] constexpr std::uint64_t scale(std::uint64_t factor, std::uint64_t whole) {
  __extension__ using Wide = unsigned __int128;
  return static_cast<std::uint64_t>(static_cast<Wide>(factor) * whole >> 64);
}

// The bucket of a lead: the fence at it and at the next one enclose every entry that can match.
[[nodiscard]] constexpr std::uint64_t bucket_of(std::uint64_t lead, std::uint64_t bucket_count) {
  return scale(lead, bucket_count);
}

// The same, and how far into its bucket the lead belongs, in parts of 2^64.
struct BucketPlace {
  std::uint64_t bucket;
  std::uint64_t fraction;
};
[[nodiscard]] constexpr BucketPlace place_of(std::uint64_t lead, std::uint64_t bucket_count) {
  return {scale(lead, bucket_count), lead * bucket_count};
}

// The checksum of `head`, which is the header and both tables: XXH3-64 of two XXH3-64 values, that
// of the header up to its checksum and that of the tables.
[[nodiscard]] std::uint64_t head_checksum(Bytes head);

}  // namespace pki::index_format
