#include "libpki/japan_time.hpp"

#include <catch2/catch.hpp>

#include "tests/support/result.hpp"

using namespace std::chrono_literals;
using pki::consent_term;
using test::at;

namespace {

// A moment as Japan's clocks show it.
pki::Time japan(int year, unsigned month, unsigned day, int hour = 0, int minute = 0,
                int second = 0) {
  return at(year, month, day, hour, minute, second) - 9h;
}

}  // namespace

TEST_CASE("japan_time: the day changes at 15:00 UTC (check 27)", "[japan]") {
  using std::chrono::year;
  CHECK(pki::japanese_date(at(2026, 11, 21, 14, 59, 59)) == year{2026} / 11 / 21);
  CHECK(pki::japanese_date(at(2026, 11, 21, 15)) == year{2026} / 11 / 22);
  CHECK(pki::japanese_date(at(1969, 12, 31, 14, 59, 59)) == year{1969} / 12 / 31);
  CHECK(pki::start_of_japanese_day(year{2026} / 11 / 22) == at(2026, 11, 21, 15));
}

TEST_CASE("japan_time: the guideline's and the contract's examples", "[japan]") {
  CHECK(consent_term(japan(2023, 5, 18, 10)) ==
        pki::ConsentTerm{japan(2023, 5, 19), japan(2033, 5, 18, 23, 59, 59)});
  const auto term = consent_term(*pki::time_from_rfc3339("2026-11-21T03:12:47Z"));
  CHECK(pki::time_to_rfc3339(term.valid_from) == "2026-11-21T15:00:00Z");
  CHECK(pki::time_to_rfc3339(term.valid_until) == "2036-11-21T14:59:59Z");
}

TEST_CASE("japan_time: a term begins by Japan's day, not by that of UTC (check 27)", "[japan]") {
  CHECK(consent_term(at(2026, 11, 21, 14, 59, 59)).valid_from == japan(2026, 11, 22));
  CHECK(consent_term(at(2026, 11, 21, 15)).valid_from == japan(2026, 11, 23));
  CHECK(consent_term(japan(2026, 12, 31, 23, 59, 59)) ==
        pki::ConsentTerm{japan(2027, 1, 1), japan(2036, 12, 31, 23, 59, 59)});
}

// Civil Code article 143(2).
TEST_CASE("japan_time: ten years across a 29 February (check 27)", "[japan]") {
  const auto [given, first, last] = GENERATE(table<pki::Time, pki::Time, pki::Time>({
      {japan(2024, 2, 27), japan(2024, 2, 28), japan(2034, 2, 27, 23, 59, 59)},
      {japan(2024, 2, 28), japan(2024, 2, 29), japan(2034, 2, 28, 23, 59, 59)},
      {japan(2024, 2, 29), japan(2024, 3, 1), japan(2034, 2, 28, 23, 59, 59)},
      {japan(2024, 3, 1), japan(2024, 3, 2), japan(2034, 3, 1, 23, 59, 59)},
      {japan(2022, 2, 28), japan(2022, 3, 1), japan(2032, 2, 29, 23, 59, 59)},
      {japan(2022, 2, 27), japan(2022, 2, 28), japan(2032, 2, 27, 23, 59, 59)},
      {japan(2090, 2, 28), japan(2090, 3, 1), japan(2100, 2, 28, 23, 59, 59)},
  }));
  CHECK(consent_term(given) == pki::ConsentTerm{first, last});
}

TEST_CASE("japan_time: RFC 3339 in the one form of the API", "[japan]") {
  CHECK(pki::time_from_rfc3339("2026-11-21T15:00:00Z") == at(2026, 11, 21, 15));
  CHECK(pki::time_from_rfc3339("0001-01-01T00:00:00Z") == at(1, 1, 1));
  for (const std::string text :
       {"2026-11-21", "2026-11-21T15:00:00", "2026-11-21t15:00:00Z", "2026-11-21T15:00:00z",
        "2026-11-21 15:00:00Z", "2026-11-21T15:00:00.0Z", "2026-11-21T15:00:60Z",
        "2026-11-21T24:00:00Z", "2026-02-29T00:00:00Z", "2026-11-21T15:00:00+00:00",
        "2026-11-21T15:00Z", " 2026-11-21T15:00:00Z", "+026-11-21T15:00:00Z", ""}) {
    CAPTURE(text);
    CHECK_FALSE(pki::time_from_rfc3339(text));
  }
}

TEST_CASE("japan_time: offsets are taken where others write them", "[japan]") {
  const auto read = pki::time_from_rfc3339_with_offset;
  CHECK(read("2026-11-22T00:00:00+09:00") == at(2026, 11, 21, 15));
  CHECK(read("2026-11-21T15:00:00Z") == at(2026, 11, 21, 15));
  CHECK(read("2026-11-21T15:00:00+00:00") == at(2026, 11, 21, 15));
  CHECK(read("2026-11-21T11:30:00-03:30") == at(2026, 11, 21, 15));
  for (const std::string text :
       {"2026-11-22T00:00:00-00:00", "2026-11-22T00:00:00+0900", "2026-11-22T00:00:00+24:00",
        "2026-11-22T00:00:00+09:60", "2026-11-22T00:00:00+9:000", "2026-11-22T00:00:00 09:00",
        "2026-11-22T00:00:00", "2026-11-22T00:00:00Z+09:00", "2026-11-22+09:00"}) {
    CAPTURE(text);
    CHECK_FALSE(read(text));
  }
}
