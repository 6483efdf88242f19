// Tests of the country: it repeats itself, everything happens, and nothing impossible is in the
// books.
#include <algorithm>
#include <map>
#include <set>
#include <sstream>
#include <tuple>

#include <catch2/catch.hpp>

#include "authority/civil_time.hpp"
#include "authority/country_fixture.hpp"
#include "authority/failure.hpp"
#include "authority/four_items.hpp"
#include "authority/happening.hpp"
#include "authority/municipalities.hpp"
#include "authority/person.hpp"
#include "authority/registrar.hpp"

namespace authority {
namespace {

using nlohmann::json;

constexpr Instant kYear = 365 * kSecondsPerDay;

// All books as text: two countries are equal if these are.
std::string text_of(Country& country) {
  std::ostringstream text;
  for (std::size_t i = 0; i < test_authorities().size(); ++i) {
    for (const IssuedCertificate& issued : country.books(i).certificates()) {
      text << i << ' ' << hexadecimal(issued.serial) << ' ' << issued.person << ' '
           << issued.partition << ' ' << issued.issued_at << ' ' << issued.not_after;
      for (const Recorded& line : issued.history) {
        text << ' ' << line.at << '/' << static_cast<int>(line.condition) << '/'
             << (line.reason ? static_cast<int>(*line.reason) : -1) << '/' << line.revocation_date;
      }
      text << '\n';
    }
  }
  return text.str();
}

template <typename Visit>
void for_each_certificate(Country& country, Visit visit) {
  for (std::size_t i = 0; i < test_authorities().size(); ++i) {
    for (const IssuedCertificate& issued : country.books(i).certificates()) {
      visit(test_authorities()[i], issued);
    }
  }
}

std::string failure_of(Country& country, const json& event) {
  try {
    country.event(event);
  } catch (const Failure& failure) {
    return failure.what();
  }
  return "";
}

TEST_CASE("country: the same seed and calls give the same books", "[country]") {
  auto one = make_country(300);
  auto two = make_country(300);
  auto other = make_country(300, 8);
  one->advance(kTestStart + kYear);
  two->advance(kTestStart + kYear);
  other->advance(kTestStart + kYear);
  CHECK(text_of(*one) == text_of(*two));
  CHECK(text_of(*one) != text_of(*other));
}

TEST_CASE("country: many steps are the same as one, events by hand in between", "[country]") {
  auto one = make_country(300);
  auto two = make_country(300);
  const Instant middle = kTestStart + 100 * kSecondsPerDay;
  for (auto* country : {one.get(), two.get()}) {
    if (country == two.get()) {
      while (country->now() + 7 * kSecondsPerHour < middle) {
        country->advance(country->now() + 7 * kSecondsPerHour - 13);
      }
    }
    country->advance(middle);
    country->event({{"person", 3}, {"kind", "move"}});
    country->event({{"person", 4}, {"kind", "phone_lost"}});
    if (country == two.get()) country->advance(middle + 5 * kSecondsPerDay);
    country->advance(middle + 90 * kSecondsPerDay);
  }
  CHECK(text_of(*one) == text_of(*two));
}

TEST_CASE("country: every kind of event happens in a year, and leaves what it should",
          "[country]") {
  auto country = make_country(1500);
  const auto before = country->occurrences();
  country->advance(kTestStart + kYear);
  for (std::size_t i = 0; i + 1 < kHappenings; ++i) {  // the last, reissue, is by hand only
    const std::string kind(to_text(static_cast<Happening>(i)));
    INFO(kind);
    const auto found = before.find(kind);
    CHECK(country->occurrences().at(kind) > (found == before.end() ? 0 : found->second));
  }

  std::set<int> reasons;
  int released = 0;
  int kept_dates = 0;
  int new_dates = 0;
  int earlier_dates = 0;
  int expired_revoked = 0;
  for_each_certificate(*country, [&](const AuthorityDescription&, const IssuedCertificate& issued) {
    for (std::size_t i = 0; i < issued.history.size(); ++i) {
      const Recorded& line = issued.history[i];
      if (line.condition == Condition::good) ++released;
      if (line.condition != Condition::revoked) continue;
      reasons.insert(line.reason ? static_cast<int>(*line.reason) : 0);
      earlier_dates += line.revocation_date < line.at;
      if (i == 0) continue;
      const bool kept = line.revocation_date == issued.history[i - 1].revocation_date;
      ++(kept ? kept_dates : new_dates);
    }
    if (!issued.history.empty() && issued.not_after < country->now()) {
      CHECK_FALSE(is_listed_at(issued, country->now()));
      expired_revoked += is_listed_at(issued, issued.not_after);
    }
  });
  CHECK(reasons == std::set<int>{0, 1, 3, 4, 5});  // 0: no reason at all
  CHECK(released > 0);
  CHECK(kept_dates > 0);
  CHECK(new_dates > 0);
  CHECK(earlier_dates > 0);
  CHECK(expired_revoked > 0);
}

TEST_CASE("country: histories are legal", "[country]") {
  auto country = make_country(1000);
  country->advance(kTestStart + kYear);
  int lines = 0;
  for_each_certificate(*country, [&](const AuthorityDescription& by, const IssuedCertificate& it) {
    INFO(by.name << " " << hexadecimal(it.serial));
    CHECK(it.issued_at >= by.active_from);
    CHECK(it.issued_at < by.active_to);
    CHECK(it.not_after > it.issued_at);
    Condition before = Condition::good;
    Instant at = it.issued_at;
    for (const Recorded& line : it.history) {
      ++lines;
      CHECK(line.at >= at);
      CHECK(line.at <= it.not_after);
      CHECK(before != Condition::revoked);  // nothing comes after it
      if (line.condition == Condition::good) {
        CHECK(before == Condition::held);
        CHECK(by.medium == Medium::phone);
        CHECK(by.purpose == Purpose::authentication);
      } else {
        CHECK(line.revocation_date <= line.at);
        CHECK(line.revocation_date >= it.issued_at);
      }
      if (line.condition == Condition::held) CHECK(line.reason == Reason::certificate_hold);
      if (line.condition == Condition::revoked) CHECK(line.reason != Reason::certificate_hold);
      before = line.condition;
      at = line.at;
    }
  });
  CHECK(lines > 1000);
}

TEST_CASE("country: a person has one living certificate of a kind at a time", "[country]") {
  auto country = make_country(1000);
  country->advance(kTestStart + kYear);
  struct Life {
    Instant from, to;
  };
  std::map<std::tuple<std::uint32_t, Purpose, Medium>, std::vector<Life>> lives;
  for_each_certificate(*country, [&](const AuthorityDescription& by, const IssuedCertificate& it) {
    const bool ended = !it.history.empty() && it.history.back().condition == Condition::revoked;
    const Instant end = ended ? it.history.back().at : it.not_after;
    lives[{it.person, by.purpose, by.medium}].push_back({it.issued_at, end});
  });
  for (auto& [who, spans] : lives) {
    std::sort(spans.begin(), spans.end(), [](auto& a, auto& b) { return a.from < b.from; });
    for (std::size_t i = 1; i < spans.size(); ++i) CHECK(spans[i - 1].to <= spans[i].from);
  }
  CHECK(lives.size() > 2000);
}

TEST_CASE("country: the first lists have a past, in every generation that can have one",
          "[country]") {
  auto country = make_country(1000);
  std::map<std::string, int> listed;
  int held = 0;
  for_each_certificate(*country, [&](const AuthorityDescription& by, const IssuedCertificate& it) {
    CHECK(it.issued_at <= kTestStart);
    listed[by.name] += is_listed_at(it, kTestStart);
    held += known_at(it, kTestStart).condition == Condition::held && it.not_after > kTestStart;
  });
  for (const auto& authority : test_authorities()) {
    INFO(authority.name);
    CHECK((listed[authority.name] > 0) == (authority.generation < 4));
  }
  CHECK(held > 0);
}

TEST_CASE("country: the first dozen have good certificates on both devices at any time",
          "[country]") {
  auto country = make_country(12);
  for (int month = 0; month < 24; ++month) {
    country->advance(kTestStart + month * 30 * kSecondsPerDay);
    for (std::uint32_t id = 1; id <= 12; ++id) {
      const json current = country->person(id)["current"];
      REQUIRE(current.size() == 4);
      for (const json& holding : current) {
        CHECK(holding["condition"] == "good");
        CHECK(parse_instant(holding["not_after"].get<std::string>()) > country->now());
      }
    }
  }
}

TEST_CASE("country: a move ends the signing certificates only, on both devices", "[country]") {
  auto country = make_country(50);
  const json done = country->event({{"person", 5},
                                    {"kind", "move"},
                                    {"address", "東京都清川市本町１丁目１番１号"},
                                    {"reissue_after_seconds", 3600}});
  REQUIRE(done["revoked"].size() == 2);
  CHECK(done["revoked"][0]["seat"] == "card signing");
  CHECK(done["revoked"][0]["reason"] == "affiliationChanged");
  CHECK(done["revoked"][1]["seat"] == "phone signing");
  CHECK(done["issued"].empty());
  CHECK(done["awaited"].size() == 2);
  const json waiting = country->person(5);
  CHECK(waiting["current"]["card signing"]["condition"] == "revoked");
  CHECK(waiting["current"]["card authentication"]["condition"] == "good");
  country->advance(country->now() + 3599);
  CHECK(country->person(5)["current"]["card signing"]["condition"] == "revoked");
  country->advance(country->now() + 1);
  const json after = country->person(5);
  CHECK(after["current"]["card signing"]["condition"] == "good");
  CHECK(after["items"]["address"] == "東京都清川市本町１丁目１番１号");
}

TEST_CASE("country: an event by hand never changes a list that could be made before it",
          "[country]") {
  auto country = make_country(50);
  const Instant then = country->now();
  country->event({{"person", 5}, {"kind", "phone_lost"}});
  CHECK(country->now() == then + 1);
  for_each_certificate(*country, [&](const AuthorityDescription&, const IssuedCertificate& it) {
    if (it.person == 5 && !it.history.empty()) CHECK(it.history.back().at != then);
  });
}

TEST_CASE("country: a phone lost and found keeps its authentication certificate", "[country]") {
  auto country = make_country(50);
  const json lost = country->event({{"person", 2}, {"kind", "phone_lost"}});
  CHECK(lost["held"].size() == 2);
  const json found = country->event({{"person", 2}, {"kind", "phone_found"}});
  REQUIRE(found["released"].size() == 1);
  CHECK(found["released"][0]["seat"] == "phone authentication");
  REQUIRE(found["revoked"].size() == 1);
  CHECK(found["revoked"][0]["seat"] == "phone signing");
  const json issued = country->event({{"person", 2}, {"kind", "reissue"}});
  REQUIRE(issued["issued"].size() == 1);
  CHECK(issued["issued"][0]["seat"] == "phone signing");

  country->event({{"person", 2}, {"kind", "phone_lost"}});
  const json given_up = country->event({{"person", 2}, {"kind", "phone_given_up"}});
  CHECK(given_up["revoked"].size() == 2);
  CHECK(given_up["revoked"][0]["reason"] == "cessationOfOperation");
}

TEST_CASE("country: a lost card's hold ends in revocation and a new pair", "[country]") {
  auto country = make_country(50);
  CHECK(country->event({{"person", 9}, {"kind", "card_lost"}})["held"].size() == 2);
  const json replaced = country->event({{"person", 9}, {"kind", "card_replaced"}});
  CHECK(replaced["revoked"].size() == 2);
  CHECK(replaced["issued"].size() == 2);
  CHECK(replaced["released"].empty());
}

TEST_CASE("country: what cannot happen is refused by name, and changes nothing", "[country]") {
  auto country = make_country(50);
  const std::string before = text_of(*country);
  CHECK_THAT(failure_of(*country, {{"person", 1}, {"kind", "moved"}}), Catch::Contains("move, "));
  CHECK_THAT(failure_of(*country, {{"person", 51}, {"kind", "move"}}), Catch::Contains("1 to 50"));
  CHECK_THAT(failure_of(*country, {{"person", 1}, {"kind", "phone_found"}}),
             Catch::Contains("has lost no phone"));
  CHECK_THAT(failure_of(*country, {{"person", 1}, {"kind", "move"}, {"adress", "x"}}),
             Catch::Contains("'adress'"));
  CHECK_THAT(failure_of(*country, {{"person", "1"}, {"kind", "move"}}),
             Catch::Contains("wrong type"));
  std::string endless;
  for (int i = 0; i < 201; ++i) endless += "字";
  CHECK_THAT(failure_of(*country, {{"person", 1}, {"kind", "move"}, {"address", endless}}),
             Catch::Contains("201 characters"));
  CHECK(text_of(*country) == before);
  country->event({{"person", 1}, {"kind", "death"}});
  CHECK_THAT(failure_of(*country, {{"person", 1}, {"kind", "move"}}), Catch::Contains("is dead"));
}

TEST_CASE("country: certificates are the same octets each time, of every authority", "[country]") {
  auto one = make_country(300);
  auto two = make_country(300);
  one->advance(kTestStart + kYear);
  two->advance(kTestStart + kYear);
  for (std::size_t i = 0; i < test_authorities().size(); ++i) {
    INFO(test_authorities()[i].name);
    REQUIRE_FALSE(one->books(i).certificates().empty());
    const Serial serial = one->books(i).certificates().back().serial;
    CHECK(one->certificate(i, serial) == two->certificate(i, serial));
  }
  CHECK_THROWS_AS(one->certificate(0, Serial::of(1)), Failure);
}

TEST_CASE("country: the first dozen people are awkward, each in one way", "[country]") {
  auto country = make_country(12);
  const auto items = [&](std::uint32_t id) { return country->person(id)["items"]; };
  const auto text = [&](std::uint32_t id, const char* key) {
    return items(id)[key].get<std::string>();
  };
  CHECK_THAT(text(1, "name_map"), Catch::Contains("1"));
  CHECK_THAT(text(1, "address_map"), Catch::Contains("1"));
  CHECK(text(2, "name_map").size() == count_characters(text(2, "name")) + 4);
  CHECK(text(3, "birthdate") == "319500700");
  CHECK(text(4, "sex") == "3");
  CHECK_THAT(text(5, "name"), Catch::Contains("［"));
  CHECK_THAT(text(6, "name"), Catch::StartsWith("NGUYEN"));
  CHECK_THAT(text(7, "address"), Catch::Contains("国外転出予定　令和８年５月１日"));
  CHECK(count_characters(text(8, "address")) == 200);
  CHECK_THAT(text(9, "name"), Catch::StartsWith("\U00020BB7"));
  CHECK_THAT(text(10, "name"), Catch::StartsWith("葛\U000E0100"));
  const json long_serials = country->person(11);
  for (const json& certificate : long_serials["certificates"]) {
    CHECK(certificate["serial"].get<std::string>().size() == 40);
  }
  CHECK(text(12, "birthdate") == "000000000");
  for (std::uint32_t id = 1; id <= 12; ++id) {
    INFO(id);
    const std::string before = text(id, "name");
    country->event({{"person", id}, {"kind", "marriage"}});
    CHECK(text(id, "name") != before);
  }
}

TEST_CASE("country: no two municipalities share both names", "[country]") {
  std::set<std::pair<std::string, std::string>> names;
  std::set<std::string> codes;
  for (const Municipality& town : make_municipalities(kMunicipalitiesMax)) {
    names.emplace(town.prefecture, town.name);
    codes.insert(town.code);
  }
  CHECK(names.size() == kMunicipalitiesMax);
  CHECK(codes.size() == kMunicipalitiesMax);
}

TEST_CASE("country: the fifth birthday after the issue, as Japan counts days", "[country]") {
  struct Row {
    const char *birthdate, *issued, *end;
  };
  const auto row = GENERATE(
      Row{"319800402", "2026-04-01T00:00:00Z", "2030-04-02T23:59:59+09:00"},
      Row{"319800401", "2026-04-01T00:00:00Z", "2031-04-01T23:59:59+09:00"},  // issued on it
      Row{"319800401", "2026-03-31T15:00:00Z", "2031-04-01T23:59:59+09:00"},  // that day in Japan
      Row{"319800401", "2026-03-31T14:59:59Z", "2030-04-01T23:59:59+09:00"},
      Row{"319800229", "2026-04-01T00:00:00Z", "2031-02-28T23:59:59+09:00"},
      Row{"319800229", "2024-02-28T00:00:00Z", "2028-02-29T23:59:59+09:00"},
      Row{"319500700", "2026-04-01T00:00:00Z", "2031-04-01T23:59:59+09:00"},  // day unknown
      Row{"000000000", "2026-04-01T00:00:00Z", "2031-04-01T23:59:59+09:00"});
  INFO(row.birthdate << " " << row.issued);
  CHECK(rfc3339(end_of_birthday(row.birthdate, parse_instant(row.issued), 5)) ==
        rfc3339(parse_instant(row.end)));
}

TEST_CASE("country: eras change on their days", "[country]") {
  CHECK(birthdate_text({1912, 7, 29}) == "119120729");
  CHECK(birthdate_text({1912, 7, 30}) == "219120730");
  CHECK(birthdate_text({1926, 12, 24}) == "219261224");
  CHECK(birthdate_text({1926, 12, 25}) == "319261225");
  CHECK(birthdate_text({1989, 1, 7}) == "319890107");
  CHECK(birthdate_text({1989, 1, 8}) == "419890108");
  CHECK(birthdate_text({2019, 4, 30}) == "420190430");
  CHECK(birthdate_text({2019, 5, 1}) == "520190501");
}

}  // namespace
}  // namespace authority
