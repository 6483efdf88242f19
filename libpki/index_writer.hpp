// index_writer.hpp: from CRL entries in any order to an index file (index_format.hpp).
//
// Memory is bounded by the caller, not by the list: entries are spread over partitions as they
// come, by the leading bits of their key; what does not fit is put down in a scratch storage. Each
// partition is then small enough to be sorted in cache, and is written to its place in the file.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "libpki/crl.hpp"
#include "libpki/index_format.hpp"
#include "libpki/revocation.hpp"

namespace pki {

// Bytes that can be written anywhere and read back: a file, or memory in a test. write_at may be
// called from several threads at once for different places. Failures are exceptions of the
// implementation; they pass through the writer, which is then only good for destruction.
class Storage {
 public:
  virtual ~Storage() = default;
  // Bytes that were not there before are zero.
  virtual void resize(std::uint64_t bytes) = 0;
  virtual void write_at(std::uint64_t offset, Bytes data) = 0;
  // All that was written; good until the next resize or write.
  [[nodiscard]] virtual Bytes read_back() = 0;
};

// What the index says of one of its lists.
struct IndexedList {
  CrlNumber number;
  Time this_update;
  Time next_update;
  std::uint64_t entry_count = 0;
  std::array<std::uint8_t, 32> identity{};  // SHA-256 of the digest that was signed
  ScopeId scope{};                          // zero: complete for the issuer
  std::optional<CrlNumber> base;            // of a delta
  std::optional<Time> expired_certificates_since;

  friend bool operator==(const IndexedList&, const IndexedList&) = default;
};

// The base of an overlay, which is another index file. The checksum is that of its head.
struct BaseReference {
  std::uint64_t generation = 0;
  std::uint64_t checksum = 0;

  friend bool operator==(const BaseReference&, const BaseReference&) = default;
};

enum class IndexContent : std::uint8_t {
  revocations,  // serials with date, reason and list
  serials,      // serials only: the ones that were issued
};

struct IndexDescription {
  std::array<std::uint8_t, 32> issuer_key_hash{};  // SHA-256 of the SubjectPublicKeyInfo
  std::uint64_t generation = 0;
  Time created_at;
  std::vector<IndexedList> lists;  // at least one, at most kListCountMax
  IndexContent content = IndexContent::revocations;

  // Of an overlay: the entries then say how serials differ from the base, removeFromCRL that one is
  // listed no more.
  std::optional<BaseReference> base;
  std::uint64_t listed_count = 0;  // with the base's; without a base it is the entry count
};

// Used by one thread, except that write() starts its own.
class IndexWriter {
 public:
  struct Options {
    std::uint64_t memory_bytes = 400ULL << 20;         // for entries, before scratch is used
    unsigned threads = 2;                              // that sort and write
    std::size_t list_count = 1;                        // as in the description
    IndexContent content = IndexContent::revocations;  // the same
  };
  struct Outcome {
    std::uint64_t entry_count = 0;
    std::uint64_t duplicate_count = 0;  // entries joined with another of the same serial
    std::uint64_t shared_count = 0;     // those of them that stood on different lists
    std::uint64_t scratch_bytes = 0;
    std::uint64_t file_bytes = 0;
  };

  // `scratch` stays empty while the entries fit into memory.
  IndexWriter(Options options, Storage& scratch);
  ~IndexWriter();
  IndexWriter(const IndexWriter&) = delete;
  IndexWriter& operator=(const IndexWriter&) = delete;

  // Takes one entry of a list; its serial was accepted by read_serial, its date is within
  // kRevocationDateMax. Cost: about 8 ns.
  void add(const CrlEntry& entry, std::size_t list = 0);
  void add(const SerialKey& key, const Revocation& revocation, std::size_t list);

  // Sorts, joins duplicates and writes the whole file. Durability is the storage's affair.
  //
  // A serial that is listed more than once is revoked from the earliest of its dates, for the
  // gravest of its reasons: compromise before withdrawal, cessation, supersession, affiliation,
  // unspecified, none, and every one of them before a hold, a hold before a removal. The order of
  // the list does not matter. The entry is then of the list that gave the reason, the first of
  // several.
  //
  // Error: too_many_entries. Cost: about 20 ns an entry and thread.
  [[nodiscard]] Result<Outcome> write(const IndexDescription& description, Storage& file);

 private:
  struct Group;
  class Partitions;
  class Sorter;

  void spread(Group& group);
  [[nodiscard]] std::vector<index_format::GroupRecord> plan() const;
  [[nodiscard]] std::uint64_t file_bytes(const std::vector<index_format::GroupRecord>&) const;
  void sort_all(const std::vector<index_format::GroupRecord>& records, Storage& file);
  void seal(std::vector<index_format::GroupRecord>& records, Storage& file) const;

  Options options_;
  index_format::EntryShape shape_;
  std::size_t list_bytes_;  // of a packed entry
  std::uint64_t shared_count_ = 0;
  std::array<std::unique_ptr<Group>, SerialKey::kGroupCount> groups_;
  std::unique_ptr<Partitions> partitions_;
};

}  // namespace pki
