// What /readyz and /metrics say of an issuer.
#include "server/status_report.hpp"

#include <catch2/catch.hpp>

#include "tests/server_unit/served.hpp"

using namespace test;
using Catch::Contains;
using pki::Reason;

namespace {

constexpr std::chrono::seconds kSkew{300};

std::string fault(const Served& served, pki::Time now) {
  const server::IssuerSet& set = served.issuers();
  return server::fault_of(set.issuers[0], &set.responders[0], served.snapshot().issuers[0], now,
                          kSkew);
}

// The value of a gauge of the issuer `p256`, as text; "absent".
std::string metric(const Served& served, const std::string& name, pki::Time now,
                   const server::IngestRecord& record = {}) {
  const server::IssuerSet& set = served.issuers();
  server::MetricsText text;
  server::describe_issuer(text, set.issuers[0], &set.responders[0], served.snapshot().issuers[0],
                          record, now);
  const std::string all = text.text();
  const std::string line = name + "{issuer=\"p256\"} ";
  const std::size_t at = all.find("\n" + line);
  if (at == std::string::npos) return "absent";
  const std::size_t value = at + 1 + line.size();
  return all.substr(value, all.find('\n', value) - value);
}

}  // namespace

TEST_CASE("status_report: an issuer is ready while all of its lists are in force",
          "[status_report]") {
  Served served(served_config());
  CHECK_THAT(fault(served, at(2026, 2, 3)), Contains("no index"));
  served.adopt(0, generation_of({complete_list({})}, {listed(5, Reason::superseded)}));
  CHECK(fault(served, at(2026, 2, 3)).empty());
  CHECK_THAT(fault(served, at(2026, 2, 8)), Contains("nextUpdate 2026-02-08T00:00:00Z"));
  CHECK_THAT(fault(served, at(2026, 1, 31)), Contains("not yet valid"));
  served.adopt(0, generation_of({complete_list({1, 1, 8}, 1), complete_list({1, 1, 5}, 2),
                                 complete_list({1, 1, 6}, 3)},
                                {}));
  CHECK(fault(served, at(2026, 2, 4)).empty());
  CHECK_THAT(fault(served, at(2026, 2, 5)),
             Contains("1 of 3 lists") && Contains("since 2026-02-05T00:00:00Z"));
  CHECK_THAT(fault(served, at(2026, 2, 7)),
             Contains("2 of 3 lists") && Contains("since 2026-02-05T00:00:00Z"));
}

TEST_CASE("status_report: a configured list of issued serials has to be there", "[status_report]") {
  server::Config config = served_config();
  config.issuers[0].issued = "/issued.txt";
  Served served(config);
  served.adopt(0, generation_of({complete_list({})}, {}));
  CHECK_THAT(fault(served, at(2026, 2, 3)), Contains("no list of issued serials"));
  CHECK(metric(served, "tashika_index_issued_serials", at(2026, 2, 3)) == "absent");
  served.adopt_issued(0, open_memory(issued_file({5, 6, 7}).file));
  CHECK(fault(served, at(2026, 2, 3)).empty());
  CHECK(metric(served, "tashika_index_issued_serials", at(2026, 2, 3)) == "3");
}

TEST_CASE("status_report: the gauges tell base from overlay and lists from deltas",
          "[status_report]") {
  Served served(served_config());
  const pki::Time now = at(2026, 2, 3);
  CHECK(metric(served, "tashika_crl_entries", now) == "absent");
  const std::vector<pki::IndexedList> lists = {complete_list({7, 1, 8}, 1),
                                               complete_list({8, 2, 6}, 2)};
  const auto base = generation_of(
      lists, {listed(5, Reason::certificate_hold, 0), listed(6, Reason::superseded, 1)});
  served.adopt(0, base);
  CHECK(metric(served, "tashika_crl_lists", now) == "2");
  CHECK(metric(served, "tashika_crl_deltas", now) == "0");
  CHECK(metric(served, "tashika_crl_delta_overdue", now) == "0");
  CHECK(metric(served, "tashika_crl_number", now) == "7");
  CHECK(metric(served, "tashika_crl_entries", now) == "2");
  CHECK(metric(served, "tashika_index_overlay_entries", now) == "0");
  CHECK(metric(served, "tashika_crl_this_update_timestamp_seconds", now) ==
        std::to_string(at(2026, 2, 1).time_since_epoch().count()));
  CHECK(metric(served, "tashika_crl_next_update_timestamp_seconds", now) ==
        std::to_string(at(2026, 2, 6).time_since_epoch().count()));

  served.adopt(0, with_overlay(base, {lists[0], lists[1], delta_list({9, 3, 4}, 1)},
                               {listed(5, Reason::remove_from_crl), listed(7, Reason::superseded),
                                listed(8, Reason::superseded)}));
  CHECK(metric(served, "tashika_crl_lists", now) == "2");
  CHECK(metric(served, "tashika_crl_deltas", now) == "1");
  CHECK(metric(served, "tashika_crl_number", now) == "9");
  CHECK(metric(served, "tashika_crl_entries", now) == "3");
  CHECK(metric(served, "tashika_index_overlay_entries", now) == "3");
  CHECK(metric(served, "tashika_index_bytes", now) ==
        std::to_string(base->base->index.file_bytes() +
                       served.snapshot().issuers[0].lists->overlay->index.file_bytes()));
  CHECK(metric(served, "tashika_crl_this_update_timestamp_seconds", now) ==
        std::to_string(at(2026, 2, 2).time_since_epoch().count()));
  CHECK(metric(served, "tashika_crl_delta_overdue", now) == "0");
  CHECK(metric(served, "tashika_crl_delta_overdue", at(2026, 2, 4)) == "1");
  CHECK(fault(served, at(2026, 2, 4)).empty());
  CHECK(metric(served, "tashika_crl_delta_overdue", at(2026, 2, 8)) == "0");
}

TEST_CASE("status_report: a list that is held back shows, and is no fault", "[status_report]") {
  Served served(served_config());
  served.adopt(0, generation_of({complete_list({})}, {}));
  const pki::Time now = at(2026, 2, 3);
  server::IngestRecord record;
  CHECK(metric(served, "tashika_ingest_held_back", now, record) == "0");
  record.held_back = "crl.der";
  CHECK(metric(served, "tashika_ingest_held_back", now, record) == "1");
  CHECK(fault(served, now).empty());
}
