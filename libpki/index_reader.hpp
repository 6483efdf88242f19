// index_reader.hpp: looking serials up in an index file (index_format.hpp) that somebody has
// mapped.
#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "libpki/crl.hpp"
#include "libpki/index_format.hpp"
#include "libpki/index_writer.hpp"

namespace pki {

// What one index file says of a serial.
struct IndexEntry {
  Revocation revocation;   // in an overlay, removeFromCRL: listed no more
  std::uint16_t list = 0;  // in lists()

  [[nodiscard]] bool is_removal() const { return revocation.reason == Reason::remove_from_crl; }
  friend bool operator==(const IndexEntry&, const IndexEntry&) = default;
};

// Index is a view of one index file: it aliases the bytes and lives as long as they do. Immutable;
// any number of threads may look things up at once. A file may be an overlay, which is half the
// truth: Generation (generation.hpp) joins it with its base.
class Index {
 public:
  // Opens a file, and reads all of it once: header, layout, every checksum, and that keys and fence
  // are in order, so that no lookup can go astray afterwards, whatever the bytes are. `file` begins
  // at an address that is a multiple of 8, as every mapping does. Errors: index_bad_magic,
  // index_version, index_size, index_header_checksum, index_layout, index_section_checksum,
  // index_order; offset and field say where. Cost: about 5 ns an entry, no allocation but for the
  // tables.
  [[nodiscard]] static Result<Index> open(Bytes file);

  // Opens a file that was verified before: header, tables and layout only. Lookups in a file that
  // was damaged since may be wrong, but never leave it, and name a list of lists() and a reason
  // that exists. Errors: those of open but for checksums of sections and order. Cost: O(lists).
  [[nodiscard]] static Result<Index> attach(Bytes file);

  // Reads header and tables only: enough for everything below but lookup, for_each and diff, which
  // find nothing. Errors: the first four of open, and index_layout. Cost: O(lists).
  [[nodiscard]] static Result<Index> describe(Bytes file);

  // What the file says of a serial; nothing if it does not have it. What an unlisted serial means
  // is for the caller to say, and only while the index is fresh. Cost: one wait for main memory, as
  // long as the fence stays in the cache; no allocation, no lock.
  [[nodiscard]] std::optional<IndexEntry> find(const SerialKey& key) const;

  // The same without the list.
  [[nodiscard]] std::optional<Revocation> lookup(const SerialKey& key) const;

  // Is the serial in the file at all? For lists of issued serials too.
  [[nodiscard]] bool contains(const SerialKey& key) const;

  [[nodiscard]] std::uint64_t entry_count() const { return header_.entry_count; }
  [[nodiscard]] std::uint64_t listed_count() const { return header_.listed_count; }
  [[nodiscard]] std::uint64_t generation() const { return header_.generation; }
  [[nodiscard]] std::uint64_t file_bytes() const { return header_.file_bytes; }
  [[nodiscard]] Time this_update() const { return time(header_.this_update); }
  [[nodiscard]] Time next_update() const { return time(header_.next_update); }
  [[nodiscard]] Time created_at() const { return time(header_.created_at); }
  [[nodiscard]] Bytes issuer_key_hash() const { return header_.issuer_key_hash; }
  [[nodiscard]] const std::vector<IndexedList>& lists() const { return lists_; }
  [[nodiscard]] const std::vector<index_format::GroupRecord>& groups() const { return records_; }

  // A serial stands on more than one of the lists: then none of them can be replaced alone.
  [[nodiscard]] bool has_shared_serials() const { return has(index_format::kSharedSerials); }
  [[nodiscard]] IndexContent content() const {
    return has(index_format::kSerialsOnly) ? IndexContent::serials : IndexContent::revocations;
  }
  // What this file is to an overlay, and what an overlay's base is.
  [[nodiscard]] BaseReference reference() const { return {header_.generation, header_.checksum}; }
  [[nodiscard]] std::optional<BaseReference> base() const {
    if (!has(index_format::kOverlay)) return std::nullopt;
    return BaseReference{header_.base_generation, header_.base_checksum};
  }

  // Calls visit(key, entry) for every entry, in the order of the file. Cost: 10 ns an entry.
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (const Group& group : groups_) {
      for (std::uint64_t i = 0; i < group.count; ++i) visit(group.key(i), group.entry(i));
    }
  }

  // The same for the entries of the lists that `wanted(std::uint16_t list)` wants. Cost: a pass
  // over the list numbers, about 1 ns an entry.
  template <class Wanted, class Visit>
  void for_each_of(Wanted&& wanted, Visit&& visit) const {
    std::vector<std::uint8_t> is_wanted(lists_.size());
    bool any = false;
    for (std::size_t i = 0; i < is_wanted.size(); ++i) {
      is_wanted[i] = wanted(static_cast<std::uint16_t>(i)) ? 1 : 0;
      any = any || is_wanted[i] != 0;
    }
    if (!any) return;
    for (const Group& group : groups_) {
      for (std::uint64_t i = 0; i < group.count; ++i) {
        if (is_wanted[group.list(i)] != 0) visit(group.key(i), group.entry(i));
      }
    }
  }

 private:
  struct Group {
    std::uint8_t number = 0;
    std::uint32_t tail_bytes = 0;
    std::uint64_t count = 0;
    std::uint64_t buckets = 0;
    const std::uint32_t* fence = nullptr;
    const std::uint64_t* leads = nullptr;
    const std::uint8_t* tails = nullptr;
    const std::uint32_t* times = nullptr;
    const std::uint8_t* reasons = nullptr;
    const std::uint16_t* lists = nullptr;  // null where there is only one
    std::uint16_t list_last = 0;

    [[nodiscard]] SerialKey key(std::uint64_t i) const;
    // What was damaged since the file was verified must not become a list or a reason that does not
    // exist: the entry stays revoked.
    [[nodiscard]] std::uint16_t list(std::uint64_t i) const {
      return lists == nullptr ? std::uint16_t{0} : std::min(lists[i], list_last);
    }
    [[nodiscard]] Reason reason(std::uint64_t i) const {
      return is_reason(reasons[i]) ? static_cast<Reason>(reasons[i]) : Reason::absent;
    }
    [[nodiscard]] Revocation revocation(std::uint64_t i) const {
      if (times == nullptr) return {};
      return {kRevocationEpoch + std::chrono::seconds{times[i]}, reason(i)};
    }
    [[nodiscard]] IndexEntry entry(std::uint64_t i) const { return {revocation(i), list(i)}; }
    // Is entry i before / the same as that lead and tail?
    [[nodiscard]] bool before(std::uint64_t i, const SerialKey& key) const;
    [[nodiscard]] bool same(std::uint64_t i, const SerialKey& key) const;
  };

  // The octets that a writer can have put into `reasons`, as bits.
  static constexpr bool is_reason(std::uint8_t octet) {
    constexpr unsigned kReasons = 0x877F;  // 0 to 6, 8 to 10, 15
    return octet < 16 && (kReasons >> octet & 1U) != 0;
  }
  static Time time(std::int64_t seconds) { return Time{std::chrono::seconds{seconds}}; }
  [[nodiscard]] bool has(std::uint32_t flag) const { return (header_.flags & flag) != 0; }
  [[nodiscard]] Result<void> read_tables(Bytes file);
  [[nodiscard]] Result<void> read_list(const std::uint8_t* at);
  [[nodiscard]] Result<void> locate_groups(Bytes file);
  [[nodiscard]] Result<void> verify(Bytes file) const;
  [[nodiscard]] Result<void> verify_padding(Bytes file) const;
  [[nodiscard]] Result<void> verify_entries(const Group& group,
                                            const index_format::Sections& sections) const;
  [[nodiscard]] static Result<void> verify_order(const Group& group, std::uint64_t offset);
  [[nodiscard]] const Group* group(std::size_t number) const {
    return slot_[number] == 0 ? nullptr : &groups_[slot_[number] - 1U];
  }
  // Where a serial is in its group, or nothing. Asks for what a hit will read ahead of need.
  struct Place {
    const Group* group;
    std::uint64_t position;
  };
  [[nodiscard]] std::optional<Place> locate(const SerialKey& key) const;

  friend class IndexDiff;

  index_format::Header header_{};
  index_format::EntryShape shape_;
  std::vector<IndexedList> lists_;
  std::vector<index_format::GroupRecord> records_;
  std::vector<Group> groups_;
  std::array<std::uint8_t, SerialKey::kGroupCount> slot_{};  // in groups_, plus one; 0 is none
};

}  // namespace pki
