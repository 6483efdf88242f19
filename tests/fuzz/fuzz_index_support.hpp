// fuzz_index_support.hpp: an index in memory, and a linear scan to compare its lookups with.
#pragma once

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <new>
#include <tuple>

#include "fuzz_support.hpp"
#include "libpki/index_reader.hpp"
#include "libpki/index_writer.hpp"

namespace fuzz {

// Bytes at an address that is a multiple of 64, as in a mapping; exactly as long as asked for, so
// that a sanitizer sees the first byte too many.
class AlignedBytes {
 public:
  explicit AlignedBytes(std::size_t size)
      : octets_(static_cast<std::uint8_t*>(::operator new(size, kAlign))), size_(size) {
    std::memset(octets_.get(), 0, size);
  }

  [[nodiscard]] std::uint8_t* data() { return octets_.get(); }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] pki::Bytes bytes() const { return {octets_.get(), size_}; }

 private:
  static constexpr std::align_val_t kAlign{64};
  struct Free {
    void operator()(std::uint8_t* octets) const { ::operator delete(octets, kAlign); }
  };
  std::unique_ptr<std::uint8_t, Free> octets_;
  std::size_t size_;
};

class MemoryStorage final : public pki::Storage {
 public:
  void resize(std::uint64_t bytes) override {
    AlignedBytes larger(bytes);
    std::memcpy(larger.data(), file_.data(), std::min(larger.size(), file_.size()));
    file_ = std::move(larger);
  }
  void write_at(std::uint64_t offset, pki::Bytes data) override {
    FUZZ_CHECK(offset <= file_.size() && data.size() <= file_.size() - offset);
    if (!data.empty()) std::memcpy(file_.data() + offset, data.data(), data.size());
  }
  [[nodiscard]] pki::Bytes read_back() override { return file_.bytes(); }

 private:
  AlignedBytes file_{0};
};

// SerialKeys in the order of an index.
struct KeyOrder {
  bool operator()(const pki::SerialKey& a, const pki::SerialKey& b) const {
    return std::tie(a.group, a.lead, a.tail) < std::tie(b.group, b.lead, b.tail);
  }
};
using Table = std::map<pki::SerialKey, pki::IndexEntry, KeyOrder>;

// What the index must say of `key`.
inline std::optional<pki::IndexEntry> find(const Table& table, const pki::SerialKey& key) {
  const auto at = table.find(key);
  return at == table.end() ? std::nullopt : std::optional{at->second};
}

// IndexWriter::write: "the gravest of its reasons: compromise before withdrawal, cessation, ...
// a hold before a removal".
// Told here a second time, from the words of the header; 0 is the gravest.
inline std::ptrdiff_t rank(pki::Reason reason) {
  using pki::Reason;
  constexpr std::array kFromGravest = {Reason::key_compromise,
                                       Reason::ca_compromise,
                                       Reason::aa_compromise,
                                       Reason::privilege_withdrawn,
                                       Reason::cessation_of_operation,
                                       Reason::superseded,
                                       Reason::affiliation_changed,
                                       Reason::unspecified,
                                       Reason::absent,
                                       Reason::certificate_hold,
                                       Reason::remove_from_crl};
  const auto at = std::find(kFromGravest.begin(), kFromGravest.end(), reason);
  FUZZ_CHECK(at != kFromGravest.end());
  return at - kFromGravest.begin();
}

// An entry and the list it stands on.
struct Added {
  pki::CrlEntry entry;
  std::uint16_t list = 0;
};

// What an index of `entries` must hold.
struct Scan {
  Table table;
  bool has_shared_serials = false;
};
inline Scan scan(const std::vector<Added>& entries) {
  Scan out;
  std::map<pki::SerialKey, std::uint16_t, KeyOrder> first_lists;
  for (const auto& [entry, list] : entries) {
    const pki::SerialKey key = pki::SerialKey::from_der(entry.serial);
    FUZZ_CHECK(pki::equal(key.to_der(), entry.serial));
    if (first_lists.try_emplace(key, list).first->second != list) out.has_shared_serials = true;
    const pki::Revocation revocation{entry.revocation_date, entry.reason};
    const auto [at, is_new] = out.table.try_emplace(key, pki::IndexEntry{revocation, list});
    if (is_new) continue;
    pki::IndexEntry& known = at->second;
    known.revocation.date = std::min(known.revocation.date, entry.revocation_date);
    const std::ptrdiff_t graver = rank(known.revocation.reason) - rank(entry.reason);
    if (graver > 0) known.revocation.reason = entry.reason;
    if (graver > 0 || (graver == 0 && list < known.list)) known.list = list;
  }
  return out;
}

// Every key is found, and its neighbours too or not, as the table says; for_each visits the table.
inline void check_lookups(const pki::Index& index, const Table& table) {
  FUZZ_CHECK(index.entry_count() == table.size());
  auto expected = table.begin();
  index.for_each([&](const pki::SerialKey& key, const pki::IndexEntry& entry) {
    FUZZ_CHECK(expected != table.end());
    FUZZ_CHECK(key == expected->first && entry == expected->second);
    ++expected;
  });
  FUZZ_CHECK(expected == table.end());
  for (const auto& [key, entry] : table) {
    FUZZ_CHECK(index.find(key) == entry && index.lookup(key) == entry.revocation);
    FUZZ_CHECK(index.contains(key));
    pki::SerialKey near = key;
    near.lead = key.lead + 1;
    FUZZ_CHECK(index.find(near) == find(table, near));
    near.lead = key.lead - 1;
    FUZZ_CHECK(index.find(near) == find(table, near));
    near = key;
    near.group = static_cast<std::uint8_t>((key.group + 13) % pki::SerialKey::kGroupCount);
    FUZZ_CHECK(index.find(near) == find(table, near));  // the number of the other sign
  }
}

// An IndexWriter's file, opened.
struct WrittenIndex {
  MemoryStorage scratch;
  MemoryStorage file;
  pki::IndexWriter::Outcome outcome;
  std::optional<pki::Index> index;

  // `add(writer)` adds the entries.
  template <class Add>
  WrittenIndex(const pki::IndexDescription& description, Add&& add, unsigned threads = 1) {
    pki::IndexWriter writer({.threads = threads,
                             .list_count = description.lists.size(),
                             .content = description.content},
                            scratch);
    add(writer);
    const auto written = writer.write(description, file);
    FUZZ_CHECK(written.has_value());
    outcome = *written;
    FUZZ_CHECK(outcome.file_bytes == file.read_back().size());
    auto opened = pki::Index::open(file.read_back());
    FUZZ_CHECK(opened.has_value());
    index = *std::move(opened);
  }
};

}  // namespace fuzz
