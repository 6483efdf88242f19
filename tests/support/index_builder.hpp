// index_builder.hpp: entries by the thousand, and the index file that libpki makes of them.
#pragma once

#include <catch2/catch.hpp>
#include <map>
#include <random>

#include "libpki/index_reader.hpp"
#include "libpki/index_writer.hpp"
#include "tests/support/der_builder.hpp"
#include "tests/support/memory_storage.hpp"
#include "tests/support/result.hpp"

namespace test {

// An entry that owns its serial.
struct Listed {
  Octets serial;  // DER content octets
  pki::Time date;
  pki::Reason reason = pki::Reason::absent;
  std::size_t list = 0;
};

inline pki::IndexDescription description() {
  pki::IndexDescription out;
  out.issuer_key_hash.fill(0x11);
  out.generation = 7;
  out.created_at = at(2026, 2, 1, 12);
  pki::IndexedList list;
  list.number = pki::CrlNumber(pki::Bytes(Octets{0x01, 0x02, 0x03}));
  list.this_update = at(2026, 2, 1);
  list.next_update = at(2026, 2, 8);
  list.entry_count = 3;
  list.identity.fill(0x22);
  out.lists.push_back(list);
  return out;
}

// The same of `count` lists, each of a scope of its own.
inline pki::IndexDescription description_of_partitions(std::size_t count) {
  pki::IndexDescription out = description();
  out.lists.resize(count, out.lists[0]);
  for (std::size_t i = 0; i < count; ++i) {
    out.lists[i].scope.fill(static_cast<std::uint8_t>(i + 1));
    out.lists[i].scope[0] = static_cast<std::uint8_t>(i >> 8);
  }
  return out;
}

struct BuiltIndex {
  pki::IndexWriter::Outcome outcome;
  std::vector<std::uint8_t> file;

  // Aliases `file`.
  [[nodiscard]] pki::Index open() const {
    const auto index = pki::Index::open(file);
    REQUIRE(refusal(index) == "accepted");
    return *index;
  }
};

// Memory and threads are taken from `options`, the rest from the description.
inline BuiltIndex build_index(const std::vector<Listed>& entries,
                              const pki::IndexDescription& description,
                              pki::IndexWriter::Options options = {}) {
  options.list_count = description.lists.size();
  options.content = description.content;
  MemoryStorage scratch;
  MemoryStorage file;
  pki::IndexWriter writer(options, scratch);
  for (const Listed& entry : entries) {
    writer.add({entry.serial, entry.date, entry.reason, {}}, entry.list);
  }
  const auto outcome = writer.write(description, file);
  REQUIRE(refusal(outcome) == "accepted");
  CHECK(scratch.bytes().size() == outcome->scratch_bytes);
  CHECK(file.bytes().size() == outcome->file_bytes);
  return {*outcome, file.bytes()};
}
inline BuiltIndex build_index(const std::vector<Listed>& entries,
                              pki::IndexWriter::Options options = {}) {
  return build_index(entries, description(), options);
}

// DER content octets of a number of up to 64 bits.
inline Octets serial_of(std::uint64_t value) {
  Octets content;
  do {
    content.insert(content.begin(), static_cast<std::uint8_t>(value));
    value >>= 8;
  } while (value != 0);
  if (content[0] >= 0x80) content.insert(content.begin(), 0);
  return content;
}

// The serial whose key has that lead, in the group of up to eight octets: for keys that crowd.
inline Octets serial_with_lead(std::uint64_t lead) {
  pki::SerialKey key;
  key.lead = lead;
  return key.to_der();
}

// Random serials of all widths and both signs, in the shortest form.
inline Octets any_serial(std::mt19937_64& random) {
  Octets content(1 + random() % 20);
  for (std::uint8_t& octet : content) octet = static_cast<std::uint8_t>(random());
  while (content.size() > 1 && (content[0] == 0x00 || content[0] == 0xFF) &&
         (content[0] & 0x80) == (content[1] & 0x80)) {
    content.erase(content.begin());
  }
  if (content.size() == 20 && content[0] >= 0x80 && random() % 2 == 0) {
    content.insert(content.begin(), 0);
  }
  return content;
}

inline pki::Time any_date(std::mt19937_64& random) {
  return pki::kRevocationEpoch + std::chrono::seconds{random() & 0xFFFFFFFF};
}

inline pki::Reason any_reason(std::mt19937_64& random) {
  constexpr pki::Reason kReasons[] = {
      pki::Reason::unspecified,      pki::Reason::key_compromise,
      pki::Reason::ca_compromise,    pki::Reason::affiliation_changed,
      pki::Reason::superseded,       pki::Reason::cessation_of_operation,
      pki::Reason::certificate_hold, pki::Reason::privilege_withdrawn,
      pki::Reason::aa_compromise,    pki::Reason::absent};
  return kReasons[random() % std::size(kReasons)];
}

// Entries with different serials.
inline std::vector<Listed> any_entries(std::size_t count, std::mt19937_64& random) {
  std::map<Octets, Listed> by_serial;
  while (by_serial.size() < count) {
    Octets serial = any_serial(random);
    by_serial.try_emplace(serial, Listed{serial, any_date(random), any_reason(random)});
  }
  std::vector<Listed> out;
  for (auto& [serial, entry] : by_serial) out.push_back(std::move(entry));
  std::shuffle(out.begin(), out.end(), random);
  return out;
}

}  // namespace test

namespace Catch {

template <>
struct StringMaker<pki::Revocation> {
  static std::string convert(const pki::Revocation& value) {
    return pki::to_string(value.date) + " " + std::string(pki::to_string(value.reason));
  }
};

template <>
struct StringMaker<pki::IndexEntry> {
  static std::string convert(const pki::IndexEntry& value) {
    return StringMaker<pki::Revocation>::convert(value.revocation) + " on list " +
           std::to_string(value.list);
  }
};

}  // namespace Catch
