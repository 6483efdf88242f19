#include "libpki/generation.hpp"

#include <catch2/catch.hpp>

#include "tests/support/index_builder.hpp"

using namespace test;
using pki::Finding;
using pki::Freshness;
using pki::Generation;
using pki::Reason;
using pki::Revocation;

namespace {

pki::SerialKey key(std::string_view digits) {
  return pki::SerialKey::from_der(hex(digits));
}

const Revocation kHeld{at(2026, 1, 2), Reason::certificate_hold};
const Revocation kLost{at(2026, 1, 3), Reason::key_compromise};
const Revocation kMoved{at(2026, 1, 4), Reason::affiliation_changed};

// Two partitions. Of what the overlay has below, 02 and 03 are on the second one.
BuiltIndex base_of(pki::IndexDescription description = description_of_partitions(2)) {
  return build_index({{hex("01"), kMoved.date, kMoved.reason, 0},
                      {hex("02"), kHeld.date, kHeld.reason, 1},
                      {hex("03"), kHeld.date, kHeld.reason, 1},
                      {Octets(20, 0x11), kMoved.date, kMoved.reason, 0}},
                     description);
}

// The description of an overlay on `base`: a delta of the second partition.
pki::IndexDescription overlay_on(const pki::Index& base) {
  pki::IndexDescription out;
  out.issuer_key_hash.fill(0x11);
  out.generation = base.generation() + 1;
  out.created_at = at(2026, 2, 2, 13);
  out.lists = base.lists();
  pki::IndexedList delta = base.lists()[1];
  delta.base = delta.number;
  delta.this_update = at(2026, 2, 2, 12);
  delta.next_update = at(2026, 2, 3, 12);
  out.lists.push_back(delta);
  out.base = base.reference();
  out.listed_count = 4;
  return out;
}

// 02 was lost while it was held, 03 was released, 04 is new.
BuiltIndex overlay_of(const pki::IndexDescription& description) {
  return build_index({{hex("02"), kLost.date, kLost.reason, 2},
                      {hex("03"), kHeld.date, Reason::remove_from_crl, 2},
                      {hex("04"), kLost.date, kLost.reason, 2}},
                     description);
}

std::string join(const BuiltIndex& base, const BuiltIndex& overlay) {
  return refusal(Generation::join(base.open(), overlay.open()));
}

}  // namespace

TEST_CASE("generation: one file says what it says", "[generation]") {
  const BuiltIndex base = base_of();
  const Generation generation(base.open());
  CHECK(generation.find(key("01")).revocation == kMoved);
  CHECK(generation.find(key("01")).list == 0);
  CHECK(generation.find(key("02")).revocation == kHeld);
  CHECK(generation.find(key("02")).list == 1);
  CHECK_FALSE(generation.find(key("04")).revocation);
  CHECK_FALSE(generation.overlay());
  CHECK(generation.number() == 7);
  CHECK(generation.listed_count() == 4);
  CHECK(generation.lists().size() == 2);
  CHECK_FALSE(Generation().find(key("01")).revocation);
}

TEST_CASE("generation: an overlay adds, changes and removes", "[generation]") {
  const BuiltIndex base = base_of();
  const BuiltIndex overlay = overlay_of(overlay_on(base.open()));
  const auto joined = Generation::join(base.open(), overlay.open());
  REQUIRE(refusal(joined) == "accepted");
  CHECK(joined->find(key("01")).revocation == kMoved);  // as the base has it
  CHECK(joined->find(pki::SerialKey::from_der(Octets(20, 0x11))).revocation == kMoved);
  CHECK(joined->find(key("02")).revocation == kLost);
  CHECK(joined->find(key("02")).list == 2);
  CHECK_FALSE(joined->find(key("03")).revocation);
  CHECK(joined->find(key("04")).revocation == kLost);
  CHECK_FALSE(joined->find(key("05")).revocation);
  CHECK_FALSE(joined->find(key("FF")).revocation);

  CHECK(joined->number() == 8);
  CHECK(joined->listed_count() == 4);  // 01, 02, 04 and the long one
  CHECK(joined->lists().size() == 3);
  CHECK(joined->base().entry_count() == 4);
  CHECK(joined->overlay()->entry_count() == 3);
  CHECK(joined->this_update() == at(2026, 2, 1));  // the first partition's
  CHECK(joined->next_update() == at(2026, 2, 8));  // of the complete lists
}

TEST_CASE("generation: the file alone tells what it is", "[generation]") {
  const BuiltIndex base = base_of();
  const BuiltIndex overlay = overlay_of(overlay_on(base.open()));
  CHECK_FALSE(base.open().base());
  CHECK(base.open().listed_count() == 4);
  CHECK(overlay.open().base() == base.open().reference());
  CHECK(overlay.open().listed_count() == 4);
  const auto removal = overlay.open().find(key("03"));
  REQUIRE(removal);
  CHECK(removal->is_removal());
  CHECK_FALSE(overlay.open().find(key("02"))->is_removal());
}

// Nobody is told that something is fresher than it is.
TEST_CASE("generation: an answer is as fresh as the lists it comes from", "[generation]") {
  const BuiltIndex base = base_of();
  const BuiltIndex overlay = overlay_of(overlay_on(base.open()));
  const auto joined = Generation::join(base.open(), overlay.open());
  REQUIRE(joined);
  const auto freshness = [&](std::string_view digits) {
    return joined->freshness(joined->find(key(digits)));
  };
  const Freshness weekly{at(2026, 2, 1), at(2026, 2, 8), at(2026, 2, 8)};
  const Freshness with_delta{at(2026, 2, 2, 12), at(2026, 2, 3, 12), at(2026, 2, 8)};
  const Freshness absent{at(2026, 2, 1), at(2026, 2, 3, 12), at(2026, 2, 8)};
  CHECK(freshness("01") == weekly);
  CHECK(freshness("02") == with_delta);
  CHECK(freshness("04") == with_delta);
  CHECK(freshness("03") == absent);  // was removed: as any other that is on no list
  CHECK(freshness("05") == absent);
}

// A base's list may be younger in the overlay: the partition came anew with the same entries.
TEST_CASE("generation: dates are those of the overlay's lists", "[generation]") {
  const BuiltIndex base = base_of();
  pki::IndexDescription description = overlay_on(base.open());
  description.lists[0].this_update = at(2026, 2, 4);
  description.lists[0].next_update = at(2026, 2, 11);
  const BuiltIndex overlay = overlay_of(description);
  const auto joined = Generation::join(base.open(), overlay.open());
  REQUIRE(joined);
  CHECK(joined->freshness(joined->find(key("01"))) ==
        Freshness{at(2026, 2, 4), at(2026, 2, 11), at(2026, 2, 11)});
}

// An overlay on the wrong base would make revoked serials good, without a trace.
TEST_CASE("generation: an overlay fits its own base only", "[generation]") {
  const BuiltIndex base = base_of();
  const pki::IndexDescription right = overlay_on(base.open());
  REQUIRE(join(base, overlay_of(right)) == "accepted");
  const std::string wrong_file = "index_base_mismatch@0 header";
  const std::string wrong_lists = "index_base_mismatch@0 lists";
  pki::IndexDescription wrong = right;
  SECTION("of another generation") {
    wrong.base->generation = 6;
    CHECK(join(base, overlay_of(wrong)) == wrong_file);
  }
  SECTION("of another file of the same generation") {
    wrong.base->checksum ^= 1;
    CHECK(join(base, overlay_of(wrong)) == wrong_file);
    pki::IndexDescription later = description_of_partitions(2);
    later.created_at += std::chrono::seconds{1};
    CHECK(join(base_of(later), overlay_of(right)) == wrong_file);
  }
  SECTION("one more entry makes another base") {
    const BuiltIndex other = build_index(
        {{hex("01"), kMoved.date, kMoved.reason, 0}, {hex("0A"), kHeld.date, kHeld.reason, 1}},
        description_of_partitions(2));
    CHECK(join(other, overlay_of(right)) == wrong_file);
  }
  SECTION("a file that is no overlay, and an overlay as a base") {
    CHECK(join(base, base) == wrong_file);
    const BuiltIndex overlay = overlay_of(right);
    wrong.base = overlay.open().reference();
    CHECK(join(overlay, overlay_of(wrong)) == wrong_file);
    CHECK(join(overlay, base) == wrong_file);
  }
  SECTION("of another issuer") {
    wrong.issuer_key_hash[31] ^= 1;
    CHECK(join(base, overlay_of(wrong)) == wrong_file);
  }
  SECTION("scopes in another order: the base's entries would be of the wrong partition") {
    std::swap(wrong.lists[0], wrong.lists[1]);
    CHECK(join(base, overlay_of(wrong)) == wrong_lists);
  }
  SECTION("a delta where the base has a complete list") {
    wrong.lists[1].base = pki::CrlNumber();
    CHECK(join(base, overlay_of(wrong)) == wrong_lists);
  }
  SECTION("a partition is missing") {
    wrong.lists.resize(1);
    CHECK(join(base, build_index({}, wrong)) == wrong_file);
  }
}

TEST_CASE("generation: an overlay without entries changes dates only", "[generation]") {
  const BuiltIndex base = base_of();
  const BuiltIndex overlay = build_index({}, overlay_on(base.open()));
  const auto joined = Generation::join(base.open(), overlay.open());
  REQUIRE(joined);
  CHECK(joined->find(key("03")).revocation == kHeld);
  CHECK(joined->freshness(joined->find(key("03"))).this_update == at(2026, 2, 2, 12));
}

namespace Catch {

template <>
struct StringMaker<Freshness> {
  static std::string convert(const Freshness& value) {
    return pki::to_string(value.this_update) + " / " + pki::to_string(value.next_update) + " / " +
           pki::to_string(value.end);
  }
};

}  // namespace Catch
