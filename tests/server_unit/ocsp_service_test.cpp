// What is answered, from which list, and for how long.
#include "server/ocsp_service.hpp"

#include <catch2/catch.hpp>

#include "tests/server_unit/served.hpp"

using namespace test;
using pki::Reason;
using server::NotIssued;
using server::Stale;
using server::Unlisted;

namespace {

constexpr const char* kCa = "ca_p256.pem";

pki::Time february(unsigned day, int hour = 12) {
  return at(2026, 2, day, hour);
}

}  // namespace

TEST_CASE("ocsp_service: one complete list speaks until it ends", "[ocsp_service]") {
  server::Config config = served_config();
  config.issuers[0].stale = GENERATE(Stale::try_later, Stale::unauthorized);
  Served served(config);
  CHECK(served.said({kCa, 5}, february(2)) == "tryLater");  // nothing was ingested
  served.adopt(0, generation_of({complete_list({})}, {listed(5, Reason::superseded)}));
  CHECK(served.said({kCa, 5}, february(2)) == "revoked superseded 2026-02-01 - 2026-02-08");
  CHECK(served.said({kCa, 6}, february(2)) == "good 2026-02-01 - 2026-02-08");
  CHECK(served.said({"ca_p256_rekeyed.pem", 5}, february(2)) == "unauthorized");

  const std::string stale =
      config.issuers[0].stale == Stale::try_later ? "tryLater" : "unauthorized";
  const pki::Time end = at(2026, 2, 8);
  for (const std::uint64_t serial : {5U, 6U}) {
    CHECK(served.said({kCa, serial}, end - std::chrono::seconds{1}) != stale);
    CHECK(served.said({kCa, serial}, end) == stale);
  }
}

// RFC 6960 2.4: thisUpdate is "known to be correct". A responder of a clock that lags may say so
// within the skew, and then never that it answered before.
TEST_CASE("ocsp_service: a list from the future is only believed within the clock's skew",
          "[ocsp_service]") {
  Served served(served_config());
  served.adopt(0, generation_of({complete_list({})}, {listed(5, Reason::superseded)}));
  const pki::Time begin = at(2026, 2, 1);
  CHECK(served.said({kCa, 5}, begin - std::chrono::seconds{301}) == "tryLater");
  const pki::OcspResponse early = served.response({kCa, 5}, begin - std::chrono::seconds{300});
  CHECK(early.produced_at == begin);
  CHECK(served.response({kCa, 6}, february(3)).produced_at == february(3));
}

// A serial on no list is only as well known as the oldest partition, and only while all of them
// are in force: the missing one could be the one that has it.
TEST_CASE("ocsp_service: each partition speaks for its serials, all of them for the rest",
          "[ocsp_service]") {
  server::Config config = served_config();
  config.issuers[0].stale = GENERATE(Stale::try_later, Stale::unauthorized);
  const std::string stale =
      config.issuers[0].stale == Stale::try_later ? "tryLater" : "unauthorized";
  Served served(config);
  served.adopt(
      0, generation_of({complete_list({1, 1, 8}, 1), complete_list({1, 2, 5}, 2)},
                       {listed(5, Reason::superseded, 0), listed(6, Reason::key_compromise, 1)}));
  const std::string on_first = "revoked superseded 2026-02-01 - 2026-02-08";
  CHECK(served.said({kCa, 5}, february(3)) == on_first);
  CHECK(served.said({kCa, 6}, february(3)) == "revoked keyCompromise 2026-02-02 - 2026-02-05");
  CHECK(served.said({kCa, 7}, february(3)) == "good 2026-02-01 - 2026-02-05");
  // The second one has ended.
  CHECK(served.said({kCa, 5}, february(5)) == on_first);
  CHECK(served.said({kCa, 6}, february(5)) == stale);
  CHECK(served.said({kCa, 7}, february(5)) == stale);
}

// What is said is as new as the delta; when the next one is late, the complete list still stands.
TEST_CASE("ocsp_service: a delta sets the dates until it is overdue", "[ocsp_service]") {
  Served served(served_config());
  const auto base = generation_of({complete_list({1, 1, 8})}, {listed(5, Reason::superseded)});
  served.adopt(0, with_overlay(base, {complete_list({1, 1, 8}), delta_list({2, 2, 4})},
                               {listed(6, Reason::key_compromise)}));
  for (const auto& [serial, status] : std::vector<std::pair<std::uint64_t, std::string>>{
           {5, "revoked superseded"}, {6, "revoked keyCompromise"}, {7, "good"}}) {
    CAPTURE(serial);
    CHECK(served.said({kCa, serial}, february(3)) == status + " 2026-02-02 - 2026-02-04");
    // The kept answer has ended; the new one is good for longer, and is kept in its place.
    CHECK(served.said({kCa, serial}, february(4)) == status + " 2026-02-02 - 2026-02-08");
    CHECK(served.ask(request_of({{kCa, serial}}), february(5)).was_cached);
    CHECK(served.ask(request_of({{kCa, serial}}), february(5), 1).was_cached);
    CHECK(served.said({kCa, serial}, february(8)) == "tryLater");
  }
}

TEST_CASE("ocsp_service: a hold is revoked until a delta lifts it", "[ocsp_service]") {
  Served served(served_config());
  const auto base =
      generation_of({complete_list({1, 1, 8})}, {listed(5, Reason::certificate_hold)});
  served.adopt(0, base);
  CHECK(served.said({kCa, 5}, february(2)) == "revoked certificateHold 2026-02-01 - 2026-02-08");
  const std::vector<pki::IndexedList> lists = {complete_list({1, 1, 8}), delta_list({2, 2, 4})};
  served.adopt(0, with_overlay(base, lists, {listed(5, Reason::remove_from_crl)}));
  CHECK(served.said({kCa, 5}, february(2)) == "good 2026-02-02 - 2026-02-04");
  served.adopt(0, with_overlay(base, lists, {listed(5, Reason::key_compromise)}));
  CHECK(served.said({kCa, 5}, february(2)) == "revoked keyCompromise 2026-02-02 - 2026-02-04");
}

TEST_CASE("ocsp_service: a list of issued serials decides what being on no list means",
          "[ocsp_service]") {
  server::Config config = served_config();
  server::IssuerConfig& issuer = config.issuers[0];
  issuer.unlisted = GENERATE(Unlisted::good, Unlisted::unknown);
  issuer.not_issued = GENERATE(NotIssued::unknown, NotIssued::revoked);
  issuer.issued = "/issued.txt";
  issuer.crl_id = true;
  Served served(config);
  const auto lists = generation_of({complete_list({})}, {listed(5, Reason::superseded)});
  served.adopt(0, lists);
  // It is not there yet: what is listed is known, the rest is not.
  CHECK(served.said({kCa, 5}, february(2)) == "revoked superseded 2026-02-01 - 2026-02-08");
  CHECK(served.said({kCa, 6}, february(2)) == "tryLater");

  served.adopt_issued(0, open_memory(issued_file({5, 6}).file));
  CHECK(served.said({kCa, 5}, february(2)) == "revoked superseded 2026-02-01 - 2026-02-08");
  CHECK(served.said({kCa, 6}, february(2)) == "good 2026-02-01 - 2026-02-08");
  CHECK(served.said({"ca_p521.pem", 6}, february(2)) == "unauthorized");
  const pki::OcspResponse other = served.response({kCa, 7}, february(2));
  REQUIRE(other.singles.size() == 1);
  if (issuer.not_issued == NotIssued::unknown) {
    CHECK(other.singles[0].status == pki::CertStatus::unknown);
    CHECK_FALSE(other.extended_revoke);
  } else {  // RFC 6960 2.2
    CHECK(other.singles[0].status == pki::CertStatus::revoked);
    CHECK(other.singles[0].revocation == pki::Revocation{at(1970, 1, 1), Reason::certificate_hold});
    CHECK(other.extended_revoke);
    CHECK_FALSE(other.singles[0].crl_id);
  }
  CHECK_FALSE(served.response({kCa, 5}, february(2)).extended_revoke);
  CHECK(served.said({kCa, 7}, february(8)) == "tryLater");

  // Issued since.
  served.adopt_issued(0, open_memory(issued_file({5, 6, 7}).file));
  CHECK(served.said({kCa, 7}, february(2)) == "good 2026-02-01 - 2026-02-08");
}

TEST_CASE("ocsp_service: the response says so if only one of its answers was never issued",
          "[ocsp_service]") {
  server::Config config = served_config();
  config.issuers[0].issued = "/issued.txt";
  config.issuers[0].not_issued = NotIssued::revoked;
  config.issuers[0].crl_id = true;
  Served served(config);
  served.adopt(0, generation_of({complete_list({})}, {}));
  served.adopt_issued(0, open_memory(issued_file({6}).file));
  const auto answer = served.ask(request_of({{kCa, 6}, {kCa, 7}}), february(2));
  const auto response = pki::parse_response(answer.body);
  REQUIRE(refusal(response) == "accepted");
  REQUIRE(response->singles.size() == 2);
  CHECK(response->singles[0].status == pki::CertStatus::good);
  CHECK(response->singles[0].crl_id);
  CHECK(response->singles[1].status == pki::CertStatus::revoked);
  CHECK_FALSE(response->singles[1].crl_id);
  CHECK(response->extended_revoke);
}
