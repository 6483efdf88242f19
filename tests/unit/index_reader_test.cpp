#include "libpki/index_reader.hpp"

#include <catch2/catch.hpp>

#include "tests/support/crl_builder.hpp"
#include "tests/support/index_builder.hpp"

using namespace test;
using pki::Reason;
using pki::Revocation;

namespace {

using Model = std::map<Octets, Revocation>;

// Every key of both, against the model: hits with their value, misses as misses.
void require_same(const pki::Index& index, const Model& model, const std::vector<Octets>& probes) {
  REQUIRE(index.entry_count() == model.size());
  for (const Octets& probe : probes) {
    const auto expected = model.find(probe);
    const auto found = index.lookup(pki::SerialKey::from_der(probe));
    REQUIRE(found.has_value() == (expected != model.end()));
    if (found) REQUIRE(*found == expected->second);
  }
}

Model model_of(const std::vector<Listed>& entries) {
  Model model;
  for (const Listed& entry : entries) {
    model.emplace(entry.serial, Revocation{entry.date, entry.reason});
  }
  return model;
}

}  // namespace

TEST_CASE("index: lookups agree with a map, hits and misses", "[index]") {
  std::mt19937_64 random(12);
  SECTION("random serials of every width") {
    const std::vector<Listed> entries = any_entries(40'000, random);
    std::vector<Octets> probes;
    for (const Listed& entry : entries) {
      probes.push_back(entry.serial);
      probes.push_back(any_serial(random));
      Octets near = entry.serial;  // one bit beside a hit
      near.back() ^= 1;
      if (near.size() == 1 || near[0] == entry.serial[0]) probes.push_back(near);
    }
    const BuiltIndex built = build_index(entries);
    require_same(built.open(), model_of(entries), probes);
  }
  SECTION("clustered counters, as a CA hands them out") {
    std::vector<Listed> entries;
    std::vector<Octets> probes;
    for (std::uint64_t start : {0ULL, 1ULL << 32, 0x7FFF'FFFF'FFFF'0000ULL}) {
      for (std::uint64_t i = 0; i < 20'000; ++i) {
        probes.push_back(serial_of(start + i));
        if (i % 3 == 0) entries.push_back({probes.back(), any_date(random), any_reason(random)});
      }
    }
    const BuiltIndex built = build_index(entries);
    require_same(built.open(), model_of(entries), probes);
  }
}

// Who chooses serials may aim them at one bucket. The lookup then is a binary search, not a walk,
// and stays right.
TEST_CASE("index: keys that crowd into one bucket are found", "[index]") {
  std::mt19937_64 random(13);
  const auto count = GENERATE(values<std::uint64_t>({31, 511, 512, 513, 514, 30'000}));
  std::vector<Listed> entries;
  std::vector<Octets> probes;
  for (std::uint64_t i = 0; i < count * 2; ++i) {
    probes.push_back(serial_with_lead(0x1234'5678'9000'0000 + i));
    if (i % 2 == 0) entries.push_back({probes.back(), any_date(random), any_reason(random)});
  }
  const BuiltIndex built = build_index(entries);
  require_same(built.open(), model_of(entries), probes);
}

// Twenty octets: serials with one lead differ in their tails only.
TEST_CASE("index: keys with one lead and many tails are found", "[index]") {
  std::mt19937_64 random(14);
  std::vector<Listed> entries;
  std::vector<Octets> probes;
  for (unsigned i = 0; i < 12'000; ++i) {
    pki::SerialKey key;
    key.group = 12;
    key.lead = 0x5555'5555'5555'5555;
    key.tail = {0x01};
    key.tail[1] = static_cast<std::uint8_t>(i >> 8);
    key.tail[11] = static_cast<std::uint8_t>(i);
    probes.push_back(key.to_der());
    if (i % 2 == 0) entries.push_back({probes.back(), any_date(random), any_reason(random)});
  }
  const BuiltIndex built = build_index(entries);
  require_same(built.open(), model_of(entries), probes);
}

// From a list signed by OpenSSL to the answer: OpenSSL reads the same bytes on its own.
TEST_CASE("index: statuses of a random list are those that OpenSSL finds in it", "[index][crl]") {
  std::mt19937_64 random(15);
  constexpr std::size_t kEntries = 20'000;
  Octets revoked;
  std::map<Octets, bool> probes;  // serial -> may be listed
  while (probes.size() < kEntries) {
    const Octets serial = any_serial(random);
    if (!probes.try_emplace(serial, true).second) continue;
    const Octets date =
        random() % 10 == 0 ? generalized_time("20500101000000Z") : utc_time("260115093000Z");
    constexpr unsigned kReasons[] = {0, 1, 2, 3, 4, 5, 6, 9, 10};
    const Octets entry = random() % 3 == 0
                             ? crl_entry(serial, date)
                             : crl_entry(serial, date, {reason_code(kReasons[random() % 9])});
    revoked.insert(revoked.end(), entry.begin(), entry.end());
  }
  for (std::size_t i = 0; i < 2000; ++i) probes.try_emplace(any_serial(random), false);

  const Key key = load_key("ca_p256.key");
  CrlParts parts;
  parts.revoked = tlv(0x30, revoked);
  const Octets der = parts.build_signed(key.get());

  const auto crl = pki::parse_crl(der);
  REQUIRE(refusal(crl) == "accepted");
  MemoryStorage scratch;
  MemoryStorage file;
  pki::IndexWriter writer({}, scratch);
  const auto count =
      pki::for_each_entry(*crl, [&](const pki::CrlEntry& entry) { writer.add(entry); });
  REQUIRE(refusal(count) == "accepted");
  CHECK(*count == kEntries);
  REQUIRE(writer.write(description(), file));
  const auto index = pki::Index::open(file.read_back());
  REQUIRE(refusal(index) == "accepted");

  const unsigned char* at = der.data();
  const X509List oracle(d2i_X509_CRL(nullptr, &at, static_cast<long>(der.size())));
  REQUIRE(oracle);
  REQUIRE(X509_CRL_verify(oracle.get(), key.get()) == 1);
  for (const auto& [serial, listed] : probes) {
    const Octets number = integer_of(serial);
    const unsigned char* digits = number.data();
    const Asn1Integer asn1(d2i_ASN1_INTEGER(nullptr, &digits, static_cast<long>(number.size())));
    X509_REVOKED* entry = nullptr;
    const int status = X509_CRL_get0_by_serial(oracle.get(), &entry, asn1.get());
    REQUIRE((status != 0) == listed);
    const auto found = index->lookup(pki::SerialKey::from_der(serial));
    REQUIRE(found.has_value() == listed);
    if (!listed) continue;
    int critical = 0;
    const Owned<ASN1_ENUMERATED, ASN1_ENUMERATED_free> reason(static_cast<ASN1_ENUMERATED*>(
        X509_REVOKED_get_ext_d2i(entry, NID_crl_reason, &critical, nullptr)));
    REQUIRE(found->reason ==
            (reason ? static_cast<Reason>(ASN1_ENUMERATED_get(reason.get())) : Reason::absent));
    const time_t seconds = found->date.time_since_epoch().count();
    REQUIRE(ASN1_TIME_cmp_time_t(X509_REVOKED_get0_revocationDate(entry), seconds) == 0);
  }
}

TEST_CASE("index: describe tells of a file without reading its sections", "[index]") {
  std::mt19937_64 random(17);
  BuiltIndex built = build_index(any_entries(100, random));
  built.file.back() ^= 1;  // in the last section or the gap after it: open would see it
  CHECK_FALSE(pki::Index::open(built.file));
  const auto index = pki::Index::describe(built.file);
  REQUIRE(refusal(index) == "accepted");
  CHECK(index->entry_count() == 100);
  CHECK(index->generation() == 7);
  CHECK_FALSE(index->lookup(pki::SerialKey::from_der(hex("01"))));
}
