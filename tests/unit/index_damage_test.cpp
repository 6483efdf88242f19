// index_damage_test.cpp: Index::open on files that were altered, cut, or made to lie.
#include <catch2/catch.hpp>

#include "tests/support/index_builder.hpp"
#include "tests/support/index_surgery.hpp"

using namespace test;
using namespace pki::index_format;

namespace {

// Two groups, one with tails, with gaps between the sections.
std::vector<Listed> some_entries() {
  return {{hex("01"), at(2026, 1, 1), pki::Reason::key_compromise},
          {hex("02"), at(2026, 1, 2), pki::Reason::certificate_hold},
          {hex("FF"), at(2026, 1, 3), pki::Reason::absent},
          {Octets(20, 0x11), at(2026, 1, 4), pki::Reason::superseded}};
}

Octets some_file() {
  return build_index(some_entries()).file;
}

std::string outcome(const Octets& file) {
  return refusal(pki::Index::open(file));
}

// In a file of one list.
std::size_t group_record_at(std::size_t number) {
  return sizeof(Header) + sizeof(ListRecord) + number * sizeof(GroupRecord);
}

// The refusal of a file after `change`, with checksums made right again.
template <class Change>
std::string after(Change change) {
  Octets file = some_file();
  change(file);
  seal(file);
  return outcome(file);
}

template <class T, class Change>
std::string after_change_of(std::size_t offset, Change change) {
  return after([&](Octets& file) {
    T value = read_at<T>(file, offset);
    change(value);
    write_at(file, offset, value);
  });
}

}  // namespace

// A bit that rots must not turn "revoked" into "good": every byte counts, gaps included.
TEST_CASE("index: a changed byte anywhere is refused", "[index]") {
  Octets file = some_file();
  REQUIRE(outcome(file) == "accepted");
  for (std::size_t i = 0; i < file.size(); ++i) {
    for (const unsigned mask : {0x01U, 0x80U, 0xFFU}) {
      file[i] = static_cast<std::uint8_t>(file[i] ^ mask);
      CAPTURE(i, mask);
      REQUIRE_FALSE(pki::Index::open(file));
      file[i] = static_cast<std::uint8_t>(file[i] ^ mask);
    }
  }
  REQUIRE(outcome(file) == "accepted");
}

// Joining duplicates makes the writer lay the file out twice; the first layout must leave no trace.
TEST_CASE("index: the gaps of a file are zero where duplicates were joined", "[index]") {
  std::vector<Listed> entries;
  for (std::uint64_t i = 0; i < 6000; ++i) {
    entries.push_back({serial_of(i), at(2026, 1, 1)});
    if (i % 2 == 0) entries.push_back({serial_of(i), at(2026, 1, 2)});
  }
  const Octets file = build_index(entries).file;
  CHECK(outcome(file) == "accepted");
}

TEST_CASE("index: a file that is cut or grown is refused", "[index]") {
  Octets file = some_file();
  for (std::size_t size = 0; size < file.size(); ++size) {
    const auto result = pki::Index::open(pki::Bytes(file).first(size));
    REQUIRE(code(result) == (size < 8 ? "index_bad_magic" : "index_size"));
  }
  file.push_back(0);
  CHECK(outcome(file) == "index_size@24 header");
}

TEST_CASE("index: what is at fault is named, and where", "[index]") {
  const auto flipped = [](std::size_t offset) {
    Octets file = some_file();
    file[offset] ^= 1;
    return outcome(file);
  };
  CHECK(flipped(0) == "index_bad_magic@0 header");
  CHECK(flipped(offsetof(Header, version)) == "index_version@8 header");
  CHECK(flipped(offsetof(Header, file_bytes)) == "index_size@24 header");
  CHECK(flipped(offsetof(Header, generation)) == "index_header_checksum@184 header");
  CHECK(flipped(offsetof(Header, checksum)) == "index_header_checksum@184 header");
  CHECK(flipped(sizeof(Header)) == "index_header_checksum@184 header");
  CHECK(flipped(group_record_at(0)) == "index_header_checksum@184 header");
  const Octets file = some_file();
  const auto at_section = [&](Section section, const char* field) {
    const std::size_t offset = section_at(file, 1, section);
    CHECK(flipped(offset) == "index_section_checksum@" + std::to_string(offset) + " " + field);
  };
  // In the file's order: the group of 20 octets is the second of three.
  at_section(fence, "fence");
  at_section(leads, "leads");
  at_section(tails, "tails");
  at_section(times, "times");
  at_section(reasons, "reasons");
}

// The version rule of index_format.md: another version is another format, whatever else is right.
TEST_CASE("index: another version is refused before anything else is believed", "[index]") {
  CHECK(after_change_of<std::uint32_t>(offsetof(Header, version), [](auto& v) { v = 1; }) ==
        "index_version@8 header");
  CHECK(after_change_of<std::uint32_t>(offsetof(Header, version), [](auto& v) { v = 3; }) ==
        "index_version@8 header");
}

// Checksums find accidents. That a writer with a bug, or a forger, can't lead a lookup astray is
// shown by the rest.
TEST_CASE("index: counts and places that contradict each other are a wrong layout", "[index]") {
  const auto record = [](std::size_t group, auto change) {
    return code(pki::Index::open([&] {
      static Octets file;  // outlives the call
      file = some_file();
      GroupRecord value = read_at<GroupRecord>(file, group_record_at(group));
      change(value);
      write_at(file, group_record_at(group), value);
      Header header = read_at<Header>(file, 0);
      header.checksum = head_checksum(pki::Bytes(file).first(group_record_at(header.group_count)));
      write_at(file, 0, header);
      return pki::Bytes(file);
    }()));
  };
  CHECK(record(0, [](auto&) {}) == "accepted");
  CHECK(record(0, [](auto& r) { r.group = 26; }) == "index_layout");
  CHECK(record(1, [](auto& r) { r.group = 0; }) == "index_layout");  // not ascending
  CHECK(record(0, [](auto& r) { r.zero = 1; }) == "index_layout");
  CHECK(record(0, [](auto& r) { r.entry_count = 0; }) == "index_layout");
  CHECK(record(0, [](auto& r) { r.entry_count = 0xFFFFFFFF; }) == "index_layout");
  CHECK(record(0, [](auto& r) { r.entry_count = UINT64_MAX; }) == "index_layout");
  CHECK(record(0, [](auto& r) { r.entry_count = 0xFFFFFFFE; }) == "index_layout");
  CHECK(record(0, [](auto& r) { r.bucket_count = 0; }) == "index_layout");
  CHECK(record(0, [](auto& r) { r.bucket_count = UINT64_MAX; }) == "index_layout");
  CHECK(record(0, [](auto& r) { r.bucket_count = 0xFFFFFFFE; }) == "index_layout");
  CHECK(record(0, [](auto& r) { r.offset += 64; }) == "index_layout");
  CHECK(record(0, [](auto& r) { r.offset = 0; }) == "index_layout");
  CHECK(record(1, [](auto& r) { r.offset = UINT64_MAX - 63; }) == "index_layout");

  const auto header = [](auto change) { return after_change_of<Header>(0, change); };
  CHECK(header([](auto& h) { h.entry_count += 1; }) == "index_layout@32 entry_count");
  CHECK(header([](auto& h) { h.flags = 8; }) == "index_layout@20 header");
  CHECK(header([](auto& h) { h.flags = 0x80000000; }) == "index_layout@20 header");
  CHECK(header([](auto& h) { h.reserved[0] = 1; }) == "index_layout@20 header");
  CHECK(header([](auto& h) { h.reserved[6] = 1; }) == "index_layout@20 header");
  CHECK(header([](auto& h) { h.base_generation = 1; }) ==
        "index_layout@20 header");  // of no overlay
  CHECK(header([](auto& h) { h.base_checksum = 1; }) == "index_layout@20 header");
  CHECK(header([](auto& h) { h.this_update = INT64_MIN; }) == "index_layout@56 header");
  CHECK(header([](auto& h) { h.next_update = INT64_MAX; }) == "index_layout@56 header");

  const auto list = [](auto change) { return after_change_of<ListRecord>(sizeof(Header), change); };
  CHECK(list([](auto& l) { l.zero = 1; }) == "index_layout@192 header");
  CHECK(list([](auto& l) { l.reserved[0] = 1; }) == "index_layout@192 header");
  CHECK(list([](auto& l) { l.reserved[1] = 1; }) == "index_layout@192 header");
  CHECK(list([](auto& l) { l.is_delta = 2; }) == "index_layout@192 header");
  CHECK(list([](auto& l) { l.is_delta = 1; }) == "accepted");
  CHECK(list([](auto& l) { l.base_number[19] = 1; }) == "index_layout@192 header");  // of no delta
  CHECK(list([](auto& l) { l.next_update = INT64_MAX; }) == "index_layout@192 header");
  CHECK(list([](auto& l) { l.expired_since = INT64_MAX; }) == "index_layout@192 header");
  CHECK(list([](auto& l) { l.expired_since = 0; }) == "accepted");
  Octets file = some_file();
  write_at(file, offsetof(Header, list_count), std::uint32_t{0});
  CHECK(outcome(file) == "index_layout@12 header");
  write_at(file, offsetof(Header, list_count), kListCountMax);
  CHECK(outcome(file) == "index_size@192 header");
  write_at(file, offsetof(Header, list_count), kListCountMax + 1);
  CHECK(outcome(file) == "index_layout@12 header");
  write_at(file, offsetof(Header, list_count), std::uint32_t{1});
  write_at(file, offsetof(Header, group_count), std::uint32_t{27});
  CHECK(outcome(file) == "index_layout@12 header");
}

TEST_CASE("index: keys out of order and fences that lie are refused", "[index]") {
  const Octets file = some_file();
  const std::size_t fences = section_at(file, 0, fence);
  const std::size_t keys = section_at(file, 0, leads);
  const auto bad_fence = "index_order@" + std::to_string(keys) + " fence";
  const auto fence_at = [&](std::size_t i, std::uint32_t value) {
    return after([&](Octets& f) { write_at(f, fences + i * 4, value); });
  };
  REQUIRE(read_at<GroupRecord>(file, group_record_at(0)).bucket_count == 1);
  CHECK(fence_at(0, 1) == bad_fence);           // skips the first entry
  CHECK(fence_at(1, 1) == bad_fence);           // forgets the last one
  CHECK(fence_at(1, 3) == bad_fence);           // points behind the group
  CHECK(fence_at(1, 0xFFFFFFFF) == bad_fence);  //

  CHECK(after([&](Octets& f) {  // swapped
          const auto first = read_at<std::uint64_t>(f, keys);
          write_at(f, keys, read_at<std::uint64_t>(f, keys + 8));
          write_at(f, keys + 8, first);
        }) == "index_order@" + std::to_string(keys + 8) + " leads");
  CHECK(after([&](Octets& f) {  // twice the same
          write_at(f, keys + 8, read_at<std::uint64_t>(f, keys));
        }) == "index_order@" + std::to_string(keys + 8) + " leads");
  for (const unsigned reason : {7U, 8U, 11U, 14U, 16U, 255U}) {  // 8 is for overlays
    CHECK(after([&](Octets& f) {
            f[section_at(f, 0, reasons)] = static_cast<std::uint8_t>(reason);
          }) == "index_order@" + std::to_string(section_at(file, 0, reasons)) + " reasons");
  }
}

TEST_CASE("index: a key in another bucket than its own is refused", "[index]") {
  constexpr std::uint32_t kEntries = pki::index_format::kEntriesPerBucket * 2;
  std::vector<Listed> entries;
  for (std::uint64_t i = 0; i < kEntries; ++i) entries.push_back({serial_of(i), at(2026, 1, 1)});
  Octets file = build_index(entries).file;
  const std::size_t fences = section_at(file, 0, fence);
  REQUIRE(read_at<GroupRecord>(file, group_record_at(0)).bucket_count == 2);
  const auto middle = read_at<std::uint32_t>(file, fences + 4);
  for (std::uint32_t lie = 0; lie <= kEntries; ++lie) {
    write_at(file, fences + 4, lie);
    seal(file);
    CAPTURE(lie, middle);
    CHECK(code(pki::Index::open(file)) == (lie == middle ? "accepted" : "index_order"));
  }
}

// With one lead, the tails decide; a lookup that relies on their order must have it.
TEST_CASE("index: tails out of order under one lead are refused", "[index]") {
  std::vector<Listed> entries;
  for (std::uint8_t octet = 1; octet <= 3; ++octet) {
    pki::SerialKey key;
    key.group = 12;
    key.lead = 42;
    key.tail.fill(octet);
    entries.push_back({key.to_der(), at(2026, 1, 1)});
  }
  Octets file = build_index(entries).file;
  REQUIRE(outcome(file) == "accepted");
  const std::size_t at_tails = section_at(file, 0, tails);
  for (std::size_t i = 0; i < 12; ++i) std::swap(file[at_tails + i], file[at_tails + 12 + i]);
  seal(file);
  CHECK(code(pki::Index::open(file)) == "index_order");
}
