// What the authority says, as verified_claims.
#include "server/platform/claims.hpp"

#include <catch2/catch.hpp>

namespace server {
namespace {

using Text = Redacted<std::string>;

ProvidedInformation provided(FourInformation items) {
  ProvidedInformation out;
  out.items = std::move(items);
  out.answered_at = pki::Time{std::chrono::seconds{1'795'230'767}};
  return out;
}

nlohmann::ordered_json claims_of(FourInformation items) {
  return verified_claims(provided(std::move(items)), {"https://api.example.jp", "dsc_x"})
      .at("claims");
}

nlohmann::ordered_json birthdate(const char* raw) {
  FourInformation items;
  items.birthdate = Text(raw);
  return claims_of(std::move(items));
}

constexpr const char* kParts = "https://api.example.jp/claims/birthdate_parts";

TEST_CASE("values are as the authority gives them, with their maps") {
  FourInformation items;
  items.name = MappedText{Text("山田　太郎"), Text("0100000")};
  items.address = MappedText{Text(""), Text("")};
  const auto claims = claims_of(std::move(items));
  CHECK(claims.at("name") == "山田　太郎");
  CHECK(claims.at("https://api.example.jp/claims/name_substitutions") == "0100000");
  CHECK(claims.at("address").at("formatted") == "");  // empty is not absent
  CHECK_FALSE(claims.contains("birthdate"));
  CHECK_FALSE(claims.contains("gender"));
}

TEST_CASE("a birthdate is as much of a date as is known") {
  CHECK(birthdate("319800102").at("birthdate") == "1980-01-02");
  CHECK(birthdate("300000102").at("birthdate") == "0000-01-02");
  CHECK(birthdate("319800000").at("birthdate") == "1980");
  for (const char* raw : {"319800700", "000000000", "319800007"}) {
    const auto claims = birthdate(raw);
    CHECK_FALSE(claims.contains("birthdate"));
    CHECK(claims.at(kParts).at("raw") == raw);
  }
  CHECK(birthdate("319800700").at(kParts).at("month") == 7);
  CHECK_FALSE(birthdate("319800700").at(kParts).contains("day"));
  CHECK(birthdate("no date").at(kParts).at("raw") == "no date");
}

TEST_CASE("the certificate's table of the sexes") {
  for (const auto& [sex, gender] :
       {std::pair{"1", "male"}, std::pair{"2", "female"}, std::pair{"3", "unknown"}}) {
    FourInformation items;
    items.sex = Text(sex);
    CHECK(claims_of(std::move(items)).at("gender") == gender);
  }
}

TEST_CASE("where it comes from can be looked up") {
  const auto all = verified_claims(provided({}), {"https://api.example.jp", "dsc_x"});
  CHECK(all.at("claims").is_object());
  const auto& verification = all.at("verification");
  CHECK(verification.at("trust_framework") == "https://api.example.jp/trust_framework/jp_jpki");
  CHECK(verification.at("evidence").is_array());
  CHECK(verification.at("evidence").at(0).at("type") == "electronic_record");
  CHECK(verification.at("evidence").at(0).at("check_details").at(0).at("check_id") == "dsc_x");
}

TEST_CASE("what was asked for and is not there is named") {
  FourInformation items;
  items.sex = Text("1");
  CHECK(missing_items(items, {InformationItem::name, InformationItem::sex}) ==
        std::vector{InformationItem::name});
}

}  // namespace
}  // namespace server
