// index_reader.hpp: looking serials up in an index file (index_format.hpp) that somebody has
// mapped.
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <vector>

#include "libpki/crl.hpp"
#include "libpki/index_format.hpp"
#include "libpki/index_writer.hpp"

namespace pki {

// What the index knows of a revoked or held serial.
struct Revocation {
  Time date;
  Reason reason = Reason::absent;

  friend bool operator==(const Revocation&, const Revocation&) = default;
};

// Index is a view of one index file: it aliases the bytes and lives as long as they do. Immutable;
// any number of threads may look things up at once.
class Index {
 public:
  // Opens a file, and reads all of it once: header, layout, every checksum, and that keys and fence
  // are in order, so that no lookup can go astray afterwards, whatever the bytes are. `file` begins
  // at an address that is a multiple of 8, as every mapping does. Errors: index_bad_magic,
  // index_version, index_size, index_header_checksum, index_layout, index_section_checksum,
  // index_order; offset and field say where. Cost: about 5 ns an entry, no allocation but for the
  // tables.
  [[nodiscard]] static Result<Index> open(Bytes file);

  // Reads header and tables only: enough for everything below but lookup, for_each and diff, which
  // find nothing. Errors: the first four of open, and index_layout. Cost: O(lists).
  [[nodiscard]] static Result<Index> describe(Bytes file);

  // The revocation of a serial; nothing if it is not listed. What an unlisted serial means is for
  // the caller to say, and only while the index is fresh. Cost: two cache misses, four on a hit; no
  // allocation, no lock.
  [[nodiscard]] std::optional<Revocation> lookup(const SerialKey& key) const;

  [[nodiscard]] std::uint64_t entry_count() const { return header_.entry_count; }
  [[nodiscard]] std::uint64_t generation() const { return header_.generation; }
  [[nodiscard]] std::uint64_t file_bytes() const { return header_.file_bytes; }
  [[nodiscard]] Time this_update() const { return time(header_.this_update); }
  [[nodiscard]] Time next_update() const { return time(header_.next_update); }
  [[nodiscard]] Time created_at() const { return time(header_.created_at); }
  [[nodiscard]] Bytes issuer_key_hash() const { return header_.issuer_key_hash; }
  [[nodiscard]] const std::vector<IndexedList>& lists() const { return lists_; }
  [[nodiscard]] const std::vector<index_format::GroupRecord>& groups() const { return records_; }

  // Calls visit(key, revocation) for every entry, in the order of the file. Cost: 10 ns an entry.
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (const Group& group : groups_) {
      for (std::uint64_t i = 0; i < group.count; ++i) visit(group.key(i), group.revocation(i));
    }
  }

  // One serial whose status differs between two indexes; nothing means: not listed.
  struct Difference {
    SerialKey key;
    std::optional<Revocation> before;
    std::optional<Revocation> after;
  };

  // Calls visit for each difference, in key order. Cost: one sequential pass over both.
  static void diff(const Index& before, const Index& after,
                   const std::function<void(const Difference&)>& visit);

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

    [[nodiscard]] SerialKey key(std::uint64_t i) const;
    [[nodiscard]] Revocation revocation(std::uint64_t i) const {
      return {kRevocationEpoch + std::chrono::seconds{times[i]}, static_cast<Reason>(reasons[i])};
    }
    // Is entry i before / the same as that lead and tail?
    [[nodiscard]] bool before(std::uint64_t i, const SerialKey& key) const;
    [[nodiscard]] bool same(std::uint64_t i, const SerialKey& key) const;
  };

  static Time time(std::int64_t seconds) { return Time{std::chrono::seconds{seconds}}; }
  [[nodiscard]] Result<void> read_tables(Bytes file);
  [[nodiscard]] Result<void> verify_padding(Bytes file) const;
  [[nodiscard]] Result<void> open_group(Bytes file, const index_format::GroupRecord& record);
  [[nodiscard]] static Result<void> verify_order(const Group& group, std::uint64_t offset);
  static void diff_groups(const Group* before, const Group* after,
                          const std::function<void(const Difference&)>& visit);

  index_format::Header header_{};
  std::vector<IndexedList> lists_;
  std::vector<index_format::GroupRecord> records_;
  std::vector<Group> groups_;
  std::array<std::uint8_t, SerialKey::kGroupCount> slot_{};  // in groups_, plus one; 0 is none
};

}  // namespace pki
