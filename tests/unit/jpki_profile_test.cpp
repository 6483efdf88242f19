#include "libpki/jpki_profile.hpp"

#include <catch2/catch.hpp>

#include "libpki/oid.hpp"
#include "tests/support/fixtures.hpp"
#include "tests/support/result.hpp"

using namespace test;
using pki::read_four_information;
using pki::Sex;

namespace {

Octets other_name(std::string_view dotted, const Octets& value) {
  return tlv(0xA0, {oid(dotted), tlv(0xA0, {value})});
}
Octets item(int number, std::string_view characters) {
  return other_name("1.2.392.200149.8.5.5." + std::to_string(number), tlv(0x0C, text(characters)));
}
std::string outcome(std::initializer_list<Octets> names) {
  const Octets value = sequence(names);
  return code(read_four_information(value));
}
std::string repeated(std::string_view one, std::size_t count) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out += one;
  return out;
}
std::string check(std::string_view file, std::initializer_list<std::string> policies = {}) {
  const Octets der = data_file(file);
  const auto certificate = pki::parse_certificate(der);
  REQUIRE(refusal(certificate) == "accepted");
  std::vector<Octets> octets;
  for (const std::string& policy : policies) octets.push_back(*pki::oid_from_string(policy));
  const std::vector<pki::Bytes> views(octets.begin(), octets.end());
  return refusal(pki::check_signing_certificate(*certificate, views));
}

}  // namespace

TEST_CASE("jpki_profile: a person's four items, written by python-cryptography", "[jpki]") {
  const Octets der = data_file("person_plain.der");
  const auto certificate = pki::parse_certificate(der);
  REQUIRE(certificate);
  const auto items = read_four_information(*certificate);
  REQUIRE(refusal(items) == "accepted");
  REQUIRE(items->is_complete());
  CHECK(items->name->text == "確野　太郎");
  CHECK(items->name->characters == 5);
  CHECK(items->name->map == "00000");
  CHECK(items->name->map_fits);
  CHECK(items->sex == Sex::male);
  CHECK(items->birthdate->era == '3');
  using std::chrono::year;
  CHECK(items->birthdate->date() == year{1980} / 2 / 29);
  CHECK(items->address->text == "東京都千代田区霞が関１丁目２－３");
  CHECK(items->address->map_fits);
  // Views: nothing was copied.
  const auto* const first = reinterpret_cast<const char*>(der.data());
  CHECK((items->name->text.data() > first && items->name->text.data() < first + der.size()));
}

TEST_CASE("jpki_profile: what practice does and the profile does not is kept and flagged",
          "[jpki]") {
  const Octets der = data_file("person_odd.der");
  const auto certificate = pki::parse_certificate(der);
  REQUIRE(certificate);
  const auto items = read_four_information(*certificate);
  REQUIRE(refusal(items) == "accepted");
  CHECK(items->name->characters == 6);  // a surrogate pair is one, a variation selector is one
  CHECK(items->name->map == "10010000");
  CHECK_FALSE(items->name->map_fits);
  CHECK_FALSE(items->address->map_fits);
  CHECK(items->sex == Sex::unknown);
  CHECK(items->birthdate->year == 1950);
  CHECK(items->birthdate->month == 7);
  CHECK_FALSE(items->birthdate->day);
  CHECK_FALSE(items->birthdate->date());
  CHECK(items->birthdate->raw == "319500700");
}

TEST_CASE("jpki_profile: absent is not empty", "[jpki]") {
  CHECK(read_four_information(pki::Bytes{})->name.has_value() == false);
  const Octets value = sequence({item(1, ""), item(6, "")});
  CHECK(code(read_four_information(value)) == "bad_item");  // a map of no address
  const Octets empty_name = sequence({item(1, "")});
  const auto items = read_four_information(empty_name);
  REQUIRE(items);
  REQUIRE(items->name);
  CHECK(items->name->text.empty());
  CHECK_FALSE(items->name->map);
  CHECK_FALSE(items->address);
  CHECK_FALSE(items->sex);
  CHECK_FALSE(items->birthdate);
}

TEST_CASE("jpki_profile: items of another form are refused", "[jpki]") {
  CHECK(outcome({item(1, repeated("確", 200))}) == "accepted");
  CHECK(outcome({item(1, repeated("確", 201))}) == "item_too_long");
  CHECK(outcome({item(5, repeated("𠮷", 200))}) == "accepted");
  CHECK(outcome({item(5, repeated("𠮷", 201))}) == "item_too_long");
  CHECK(outcome({item(1, "a"), item(2, repeated("0", 400))}) == "accepted");
  CHECK(outcome({item(1, "a"), item(2, repeated("0", 401))}) == "item_too_long");
  CHECK(outcome({item(1, "a"), item(2, "02")}) == "bad_item");
  for (const std::string wrong : {"\xFF", "\xC0\xAF", "\xED\xA0\x80", "a\nb", "\x7F"}) {
    CHECK(outcome({item(1, wrong)}) == "bad_text");
  }
  CHECK(outcome({item(1, std::string_view("a\0b", 3))}) == "bad_text");
  for (const std::string wrong : {"", "0", "4", "9", "11", "M"}) {
    CHECK(outcome({item(3, wrong)}) == "bad_item");
  }
  CHECK(outcome({item(3, "1"), item(3, "1")}) == "duplicate_item");
  const std::string first = "1.2.392.200149.8.5.5.1";
  CHECK(outcome({other_name(first, tlv(0x13, text("a")))}) == "bad_tag");  // PrintableString
  CHECK(outcome({other_name(first, concat({tlv(0x0C, text("a")), null()}))}) == "trailing_data");
  CHECK(outcome({tlv(0xA0, {oid(first), tlv(0x0C, text("a"))})}) == "bad_tag");  // not EXPLICIT
  CHECK(outcome({tlv(0xA0, {oid(first)})}) == "truncated");
  CHECK(outcome({}) == "empty_sequence");
  CHECK(code(read_four_information(hex("3000 00"))) == "trailing_data");
  // What is near but not ours is read over.
  CHECK(outcome({other_name("1.2.392.200149.8.5.5.7", null()),
                 other_name("1.2.392.200149.8.5.5.1.1", null()),
                 other_name("1.2.392.200149.8.5.5", null()), tlv(0x82, text("host"))}) ==
        "accepted");
}

TEST_CASE("jpki_profile: an error names the item and never its value", "[jpki]") {
  const Octets value = sequence({item(1, "a"), item(4, "319801332")});
  const auto refused = read_four_information(value);
  CHECK(refusal(refused) == "bad_item@37 birthdate");
  CHECK(pki::to_string(refused.error()).find("1980") == std::string::npos);
}

TEST_CASE("jpki_profile: birthdates, whole and in part", "[jpki]") {
  const auto [text, year, month, day, is_date] = GENERATE(
      table<std::string, std::optional<int>, std::optional<int>, std::optional<int>, bool>({
          {"419900102", 1990, 1, 2, true},
          {"520240229", 2024, 2, 29, true},
          {"319500700", 1950, 7, std::nullopt, false},
          {"319500000", 1950, std::nullopt, std::nullopt, false},
          {"000000000", std::nullopt, std::nullopt, std::nullopt, false},
          {"300000712", std::nullopt, 7, 12, false},
          {"319500230", 1950, 2, 30, false},  // such days stand in old registers
      }));
  CAPTURE(text);
  const auto date = pki::parse_birthdate(text);
  REQUIRE(date);
  CHECK(date->era == text[0]);
  CHECK(date->year == year);
  CHECK(date->month == month);
  CHECK(date->day == day);
  CHECK(date->date().has_value() == is_date);
  CHECK(date->raw == text);
}

TEST_CASE("jpki_profile: texts that are no birthdates", "[jpki]") {
  for (const std::string text : {"", "19900102", "4199001020", "619900102", "419901302",
                                 "419900132", "4199O0102", "-19900102", "４１９"}) {
    CAPTURE(text);
    CHECK(code(pki::parse_birthdate(text)) == "bad_item");
  }
}

TEST_CASE("jpki_profile: which certificates are signing certificates of persons", "[jpki]") {
  CHECK(check("person_plain.der") == "accepted");
  CHECK(check("person_odd.der") == "accepted");
  CHECK(check("person_no_sex.der") == "certificate_kind@0 subjectAltName");
  CHECK(check("person_authentication.der") == "key_usage@0 keyUsage");
  CHECK(check("person_no_repudiation.der") == "key_usage@0 keyUsage");
  CHECK(check("person_other_policy.der") == "certificate_policy@0 certificatePolicies");
  CHECK(check("person_no_policy.der") == "certificate_policy@0 certificatePolicies");
  CHECK(check("person_ca.der") == "certificate_kind@0 basicConstraints");
  // A list of policies is exact.
  const std::string test_policy = "1.2.392.200149.8.5.1.0.20";
  const std::string policy = "1.2.392.200149.8.5.1.1.20";
  CHECK(check("person_plain.der", {test_policy}) == "accepted");
  CHECK(check("person_plain.der", {policy}) == "certificate_policy@0 certificatePolicies");
  CHECK(check("person_plain.der", {policy, test_policy}) == "accepted");
  CHECK(check("person_odd.der", {policy}) == "accepted");
  CHECK(check("person_plain.der", {"1.2.392.200149.8.5.1"}) ==
        "certificate_policy@0 certificatePolicies");
}
