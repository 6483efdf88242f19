// Which list an answer names (CrlID), and how far back it says that lists go (ArchiveCutoff).
#include "server/provenance.hpp"

#include <catch2/catch.hpp>

#include "tests/server_unit/served.hpp"

using namespace test;
using pki::Reason;
using server::ArchiveCutoff;

namespace {

constexpr const char* kCa = "ca_p256.pem";
const pki::Time kNow = at(2026, 2, 3, 12);

// "1 2026-02-01T00:00:00Z http://…" of the only answer; "none".
std::string crl_id(Served& served, std::uint64_t serial) {
  const pki::OcspResponse response = served.response({kCa, serial}, kNow);
  REQUIRE(response.singles.size() == 1);
  const auto& id = response.singles[0].crl_id;
  if (!id) return "none";
  std::string out = id->number->to_string();
  out.append(" ").append(pki::to_string(*id->time));
  if (!id->url.empty()) out.append(" ").append(id->url.begin(), id->url.end());
  return out;
}

std::optional<pki::Time> cutoff(Served& served, std::uint64_t serial) {
  return served.response({kCa, serial}, kNow).singles.at(0).archive_cutoff;
}

pki::IndexedList with_expired_since(pki::IndexedList list, pki::Time since) {
  list.expired_certificates_since = since;
  return list;
}

}  // namespace

TEST_CASE("provenance: an answer names its list only if it should", "[provenance]") {
  server::Config config = served_config();
  config.issuers[0].crl_id = GENERATE(true, false);
  Served served(config);
  served.adopt(0, generation_of({complete_list({77, 1, 8})}, {listed(5, Reason::superseded)}));
  const std::string named = config.issuers[0].crl_id ? "77 2026-02-01T00:00:00Z" : "none";
  CHECK(crl_id(served, 5) == named);
  CHECK(crl_id(served, 6) == named);
}

TEST_CASE("provenance: the delta is named where it has the last word", "[provenance]") {
  server::Config config = served_config();
  config.issuers[0].crl_id = true;
  config.issuers[0].crl = {"http://ca.example/full.crl"};
  config.issuers[0].delta_crl = {"http://ca.example/delta.crl"};
  Served served(config);
  const auto base = generation_of({complete_list({77, 1, 8})}, {listed(5, Reason::superseded)});
  served.adopt(0, base);
  const std::string full = "77 2026-02-01T00:00:00Z http://ca.example/full.crl";
  CHECK(crl_id(served, 5) == full);
  CHECK(crl_id(served, 7) == full);
  served.adopt(0, with_overlay(base, {complete_list({77, 1, 8}), delta_list({78, 2, 4})},
                               {listed(6, Reason::key_compromise)}));
  const std::string delta = "78 2026-02-02T00:00:00Z http://ca.example/delta.crl";
  CHECK(crl_id(served, 5) == delta);
  CHECK(crl_id(served, 6) == delta);
  CHECK(crl_id(served, 7) == delta);
}

TEST_CASE("provenance: of several scopes, each names its own, and none what is on none",
          "[provenance]") {
  server::Config config = served_config();
  config.issuers[0].crl_id = true;
  config.issuers[0].crl = {"http://ca.example/1.crl", "http://ca.example/2.crl"};
  Served served(config);
  const std::vector<pki::IndexedList> lists = {complete_list({71, 1, 8}, 1),
                                               complete_list({72, 2, 8}, 2)};
  const auto base =
      generation_of(lists, {listed(5, Reason::superseded, 0), listed(6, Reason::superseded, 1)});
  served.adopt(0, base);
  CHECK(crl_id(served, 5) == "71 2026-02-01T00:00:00Z");
  CHECK(crl_id(served, 6) == "72 2026-02-02T00:00:00Z");
  CHECK(crl_id(served, 7) == "none");
  // A delta to the second.
  served.adopt(0, with_overlay(base, {lists[0], lists[1], delta_list({73, 3, 8}, 2)}, {}));
  CHECK(crl_id(served, 5) == "71 2026-02-01T00:00:00Z");
  CHECK(crl_id(served, 6) == "73 2026-02-03T00:00:00Z");
  CHECK(crl_id(served, 7) == "none");
}

TEST_CASE("provenance: an address is named if it is the only one, and fit for everybody",
          "[provenance]") {
  using Sources = std::vector<std::string>;
  const auto [sources, manifest, url] = GENERATE(table<Sources, std::string, std::string>({
      {{"https://ca.example/a.crl"}, "", "https://ca.example/a.crl"},
      {{"http://ca.example/a.crl", "http://ca.example/b.crl"}, "", ""},
      {{"http://ca.example/a.crl"}, "http://ca.example/all.txt", ""},
      {{"/var/lib/a.crl"}, "", ""},
      {{}, "http://ca.example/all.txt", ""},
      {{"http://user:secret@ca.example/a.crl"}, "", ""},
      {{"http://ca.example/a.crl?token=secret"}, "", ""},
      {{"http://ca.example/\xE5\xA4\xB1\xE5\x8A\xB9.crl"}, "", ""},  // IA5String is ASCII
  }));
  CAPTURE(sources, manifest);
  server::Config config = served_config();
  config.issuers[0].crl = sources;
  config.issuers[0].crl_manifest = manifest;
  config.issuers[1].delta_crl = sources;
  config.issuers[1].delta_crl_manifest = manifest;
  const Served served(config);
  CHECK(served.issuers().issuers[0].crl_url == url);
  CHECK(served.issuers().issuers[0].delta_crl_url.empty());
  CHECK(served.issuers().issuers[1].delta_crl_url == url);
}

TEST_CASE("provenance: a fixed archive cutoff counts back from producedAt", "[provenance]") {
  server::Config config = served_config();
  config.issuers[0].archive_cutoff = ArchiveCutoff::fixed;
  config.issuers[0].archive_retention = std::chrono::hours{24 * 365};
  Served served(config);
  served.adopt(0, generation_of({complete_list({})}, {listed(5, Reason::superseded)}));
  CHECK(cutoff(served, 5) == at(2025, 2, 3, 12));
  CHECK(cutoff(served, 6) == at(2025, 2, 3, 12));
  // producedAt is not before thisUpdate, even if our clock is.
  const auto early = served.response({kCa, 7}, at(2026, 1, 31, 23, 59, 0));
  CHECK(early.produced_at == at(2026, 2, 1));
  CHECK(early.singles.at(0).archive_cutoff == at(2025, 2, 1));
}

TEST_CASE("provenance: the archive cutoff of several lists is the latest that all keep to",
          "[provenance]") {
  server::Config config = served_config();
  config.issuers[0].archive_cutoff = ArchiveCutoff::of_list;
  Served served(config);
  const pki::IndexedList first = with_expired_since(complete_list({1, 1, 8}, 1), at(2015, 1, 1));
  const pki::IndexedList second = with_expired_since(complete_list({1, 1, 8}, 2), at(2019, 1, 1));
  served.adopt(0, generation_of({first, second}, {listed(5, Reason::superseded, 0)}));
  CHECK(cutoff(served, 5) == at(2019, 1, 1));
  CHECK(cutoff(served, 6) == at(2019, 1, 1));
  served.adopt(
      0, generation_of({first, complete_list({1, 1, 8}, 2)}, {listed(5, Reason::superseded, 0)}));
  CHECK_FALSE(cutoff(served, 5));
  CHECK_FALSE(cutoff(served, 6));
}
