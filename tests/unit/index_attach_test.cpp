// index_attach_test.cpp: Index::attach, which believes sections that were verified before, on files
// that were damaged since. Lookups may go wrong, but never leave the file or name what is not
// there.
#include <sys/mman.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "libpki/generation.hpp"
#include "tests/support/index_builder.hpp"
#include "tests/support/index_surgery.hpp"

using namespace test;
using pki::Generation;
using pki::Index;
using pki::Reason;
using pki::SerialKey;

namespace {

// A file whose last octet is the last of a page, with nothing behind it: who reads on is killed.
class GuardedFile {
 public:
  explicit GuardedFile(const Octets& file) : size_(file.size()) {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    const std::size_t body = (size_ + page - 1) / page * page;
    mapped_ = body + page;
    void* const at =
        ::mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(at != MAP_FAILED);
    start_ = static_cast<std::uint8_t*>(at);
    REQUIRE(::mprotect(start_ + body, page, PROT_NONE) == 0);
    octets_ = start_ + body - size_;  // index files are multiples of 64
    std::copy(file.begin(), file.end(), octets_);
  }
  GuardedFile(const GuardedFile&) = delete;
  GuardedFile& operator=(const GuardedFile&) = delete;
  ~GuardedFile() { ::munmap(start_, mapped_); }

  [[nodiscard]] pki::Bytes bytes() const { return {octets_, size_}; }
  [[nodiscard]] std::uint8_t& operator[](std::size_t i) { return octets_[i]; }

 private:
  std::size_t size_;
  std::size_t mapped_ = 0;
  std::uint8_t* start_ = nullptr;
  std::uint8_t* octets_ = nullptr;
};

// Asks for all of these, and that whatever is found can be shown and dated.
void look_up(const Index& index, const std::vector<Octets>& serials) {
  const Generation generation(index);
  for (const Octets& serial : serials) {
    const SerialKey key = SerialKey::from_der(serial);
    const auto entry = index.find(key);
    REQUIRE(index.contains(key) == entry.has_value());
    if (!entry) continue;
    REQUIRE(entry->list < index.lists().size());
    REQUIRE_FALSE(pki::to_string(entry->revocation.reason).empty());
    const pki::Finding finding = generation.find(key);
    REQUIRE(finding.revocation);
    REQUIRE(generation.freshness(finding).end >= generation.freshness(finding).this_update);
  }
}

struct Fixture {
  std::vector<Octets> serials;  // listed and not
  BuiltIndex built;
};

Fixture fixture(std::size_t lists, std::mt19937_64& random) {
  Fixture out;
  std::vector<Listed> entries = any_entries(600, random);
  for (std::uint64_t i = 0; i < 200; ++i) {  // one crowded bucket: the binary search
    entries.push_back({serial_with_lead(0x1234'5678'9000'0000 + i), at(2026, 1, 1)});
  }
  for (Listed& entry : entries) {
    entry.list = random() % lists;
    out.serials.push_back(entry.serial);
    out.serials.push_back(any_serial(random));
  }
  out.built = build_index(entries, description_of_partitions(lists));
  return out;
}

}  // namespace

TEST_CASE("index: attach says of a good file what open says", "[index][attach]") {
  std::mt19937_64 random(40);
  const auto lists = GENERATE(values<std::size_t>({1, 3}));
  const Fixture good = fixture(lists, random);
  const Index opened = good.built.open();
  const auto attached = Index::attach(good.built.file);
  REQUIRE(refusal(attached) == "accepted");
  CHECK(attached->lists() == opened.lists());
  CHECK(attached->reference() == opened.reference());
  for (const Octets& serial : good.serials) {
    const SerialKey key = SerialKey::from_der(serial);
    REQUIRE(attached->find(key) == opened.find(key));
  }
}

TEST_CASE("index: attach does not believe header, tables and layout", "[index][attach]") {
  std::mt19937_64 random(41);
  const Octets good = fixture(2, random).built.file;
  const std::size_t head = group_record_at(good, header_of(good).group_count);
  for (std::size_t i = 0; i < head; ++i) {
    Octets file = good;
    file[i] ^= 1;
    CAPTURE(i);
    REQUIRE_FALSE(Index::attach(file));
  }
  for (std::size_t size = 0; size < good.size(); size += 64) {
    REQUIRE_FALSE(Index::attach(pki::Bytes(good).first(size)));
  }
}

TEST_CASE("index: fences that lie lead nowhere outside", "[index][attach]") {
  namespace format = pki::index_format;
  std::mt19937_64 random(42);
  const auto lists = GENERATE(values<std::size_t>({1, 3}));
  const Fixture good = fixture(lists, random);
  GuardedFile file(good.built.file);
  const auto index = Index::attach(file.bytes());
  REQUIRE(index);
  for (const std::uint32_t lie : {0U, 1U, 700U, 0x7FFFFFFFU, 0xFFFFFFFFU}) {
    for (std::size_t g = 0; g < index->groups().size(); ++g) {
      const auto [offset, bytes] = sections_of(good.built.file, g).extents[format::fence];
      for (std::size_t i = 0; i < bytes; i += 4) {
        if (random() % 2 == 0) std::memcpy(&file[offset + i], &lie, sizeof lie);
      }
    }
    look_up(*index, good.serials);
  }
}

TEST_CASE("index: whatever bytes change under a mapping, lookups stay inside", "[index][attach]") {
  std::mt19937_64 random(43);
  const auto lists = GENERATE(values<std::size_t>({1, 3}));
  const Fixture good = fixture(lists, random);
  const std::size_t head = group_record_at(good.built.file, header_of(good.built.file).group_count);
  GuardedFile file(good.built.file);
  const auto index = Index::attach(file.bytes());
  REQUIRE(index);
  for (int round = 0; round < 60; ++round) {
    for (int i = 0; i < 300; ++i) {
      file[head + random() % (good.built.file.size() - head)] = static_cast<std::uint8_t>(random());
    }
    look_up(*index, good.serials);
    std::uint64_t walked = 0;
    index->for_each([&](const SerialKey&, const pki::IndexEntry& entry) {
      REQUIRE(entry.list < lists);
      REQUIRE_FALSE(pki::to_string(entry.revocation.reason).empty());
      ++walked;
    });
    REQUIRE(walked == index->entry_count());
    const Generation damaged(*index);
    std::uint64_t differences = 0;
    diff(Generation(), damaged, [&](const pki::Difference&) { ++differences; });
    REQUIRE(differences == walked);
  }
}

// The entry is there: that its reason or list is lost must not make it good.
TEST_CASE("index: an entry with a damaged reason or list stays revoked", "[index][attach]") {
  namespace format = pki::index_format;
  Octets file = build_index({{hex("01"), at(2026, 1, 1), Reason::superseded, 1}},
                            description_of_partitions(2))
                    .file;
  const auto index = Index::attach(file);
  REQUIRE(index);
  file[section_at(file, 0, format::reasons)] = 7;
  file[section_at(file, 0, format::lists) + 1] = 0xFF;
  const auto entry = index->find(SerialKey::from_der(hex("01")));
  REQUIRE(entry);
  CHECK(entry->revocation.reason == Reason::absent);
  CHECK(entry->revocation.date == at(2026, 1, 1));
  CHECK(entry->list == 1);
}
