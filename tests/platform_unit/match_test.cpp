// Comparing what an institution has with what the authority has.
#include "server/platform/match.hpp"

#include <catch2/catch.hpp>

namespace server {
namespace {

using Text = Redacted<std::string>;

std::string name_verdict(const char* ours, const char* theirs, const char* map = "0000") {
  MatchValues values;
  values.name = Text(ours);
  FourInformation items;
  items.name = MappedText{Text(theirs), Text(map)};
  return compare_values(values, items).at("name");
}

TEST_CASE("jp-2026-1 folds widths, dashes, spaces and cases, and nothing else") {
  CHECK(normalised("Ｔａｒｏ　ヤマダ").reveal() == "TAROヤマダ");
  CHECK(normalised("１－２‐３−４ー５").reveal() == "1-2-3-4-5");
  CHECK(normalised("髙橋").reveal() == "髙橋");
  CHECK(normalised("𠮷").reveal() == "𠮷");
  CHECK(normalised("\xF0\x9F").reveal().size() > 0);  // what is cut off is no danger
}

TEST_CASE("a birthdate to compare is a day that a register may have") {
  for (const char* day : {"1980-02-29", "1898-02-30", "0001-01-01", "9999-12-31"}) {
    CHECK(is_day_of_register(day));
  }
  for (const char* day :
       {"2026-99-99", "2026-13-01", "2026-00-01", "2026-01-32", "2026-01-00", "0000-01-01",
        "2026-1-001", "2026/01/01", "20260101", "+026-01-01", "", "２０２"}) {
    INFO(day);
    CHECK_FALSE(is_day_of_register(day));
  }
}

TEST_CASE("a comparison has four answers") {
  CHECK(name_verdict("山田 太郎", "山田　太郎") == "match");
  CHECK(name_verdict("山田次郎", "山田　太郎") == "mismatch");
  CHECK(name_verdict("山田次郎", "山田　太郎", "0100") == "indeterminate");
  CHECK(name_verdict("", "") == "match");
  MatchValues values;
  values.gender = Text("male");
  CHECK(compare_values(values, {}).at("gender") == "not_available");
}

TEST_CASE("incomplete birthdates and unknown sexes decide nothing") {
  MatchValues values;
  values.birthdate = Text("1980-01-02");
  values.gender = Text("male");
  FourInformation items;
  items.birthdate = Text("319800100");
  items.sex = Text("3");
  CHECK(compare_values(values, items).at("birthdate") == "indeterminate");
  CHECK(compare_values(values, items).at("gender") == "indeterminate");
  items.birthdate = Text("319800102");
  items.sex = Text("2");
  CHECK(compare_values(values, items).at("birthdate") == "match");
  CHECK(compare_values(values, items).at("gender") == "mismatch");
}

TEST_CASE("texts that differ past what is compared are not taken for equal") {
  const std::string long_one(4000, 'a');
  CHECK(name_verdict(long_one.c_str(), (long_one + "b").c_str()) == "mismatch");
}

}  // namespace
}  // namespace server
