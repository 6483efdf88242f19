#include "libpki/strict_json.hpp"

#include <catch2/catch.hpp>

#include "tests/support/result.hpp"

using pki::JsonMember;
using pki::read_json_object;
using test::code;
using test::refusal;
using namespace std::string_literals;

TEST_CASE("strict_json: strings, integers and one level of objects", "[json]") {
  const auto object = read_json_object(
      " {\t\"a\" : \"x\\u00e9\\ud83d\\ude00\\/\\n\" ,\r\n\"b\":-42,\"c\":{\"d\":9007199254740991}, "
      "\"e\":{}} ");
  REQUIRE(refusal(object) == "accepted");
  REQUIRE(object->size() == 4);
  CHECK((*object)[0].name == "a");
  CHECK((*object)[0].text == "xé😀/\n");
  CHECK((*object)[1].kind == JsonMember::Kind::integer);
  CHECK((*object)[1].integer == -42);
  REQUIRE((*object)[2].members.size() == 1);
  CHECK((*object)[2].members[0].integer == 9007199254740991);
  CHECK((*object)[3].kind == JsonMember::Kind::object);
  CHECK(read_json_object("{}")->empty());
}

TEST_CASE("strict_json: what other readers differ about is refused (checks 2 and 24)", "[json]") {
  const auto [text, expected] = GENERATE(table<std::string, std::string>({
      // not one object
      {"", "bad_json"},
      {"[]", "bad_json"},
      {"\"a\"", "bad_json"},
      {"{} x", "bad_json"},
      {"{}{}", "bad_json"},
      {"{\"a\":1,}", "bad_json"},
      {"{\"a\" 1}", "bad_json"},
      {"{\"a\":1", "bad_json"},
      {"{\"a", "bad_json"},
      {"{a:1}", "bad_json"},
      {"{'a':1}", "bad_json"},
      {"{\"a\":1 /* */}", "bad_json"},
      // values that no token has
      {"{\"a\":true}", "bad_json"},
      {"{\"a\":null}", "bad_json"},
      {"{\"a\":[1]}", "bad_json"},
      {"{\"a\":NaN}", "bad_json"},
      // numbers
      {"{\"a\":1.0}", "json_number"},
      {"{\"a\":1e3}", "json_number"},
      {"{\"a\":01}", "json_number"},
      {"{\"a\":-0}", "json_number"},
      {"{\"a\":+1}", "json_number"},
      {"{\"a\":9007199254740992}", "json_number"},
      {"{\"exp\":99999999999999999999}", "json_number"},
      // members twice, in disguise and inside
      {"{\"alg\":\"ES256\",\"alg\":\"none\"}", "duplicate_member"},
      {"{\"a\":1,\"\\u0061\":1}", "duplicate_member"},
      {"{\"c\":{\"x\":1,\"x\":1}}", "duplicate_member"},
      // text
      {"\xEF\xBB\xBF{}", "bad_json"},
      {"{\"a\":\"\\u0000\"}", "bad_text"},
      {"{\"a\":\"\0\"}"s, "bad_text"},
      {"{\"a\":\"\n\"}", "bad_text"},
      {"{\"a\":\"\\ud800\"}", "bad_text"},
      {"{\"a\":\"\\ud800x\"}", "bad_text"},
      {"{\"a\":\"\\ud800\\u0041\"}", "bad_text"},
      {"{\"a\":\"\\udc00\"}", "bad_text"},
      {"{\"a\":\"\xC0\x80\"}", "bad_text"},
      {"{\"a\":\"\xED\xA0\x80\"}", "bad_text"},
      {"{\"a\":\"\xFF\"}", "bad_text"},
      {"{\"a\":\"\xE3\x81\"}", "bad_text"},
      {"{\"a\":\"\\x41\"}", "bad_json"},
      {"{\"a\":\"\\u00g0\"}", "bad_json"},
      {"{\"a\":\"\\u12\"}", "bad_json"},
      {"{\"a\":\"\\u+123\"}", "bad_json"},
      // too deep
      {"{\"a\":{\"b\":{}}}", "bad_json"},
  }));
  CAPTURE(text);
  CHECK(code(read_json_object(text)) == expected);
}

TEST_CASE("strict_json: depth and width cost nothing (check 24)", "[json]") {
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "{\"a\":";
  CHECK(refusal(read_json_object(deep)) == "bad_json@10 JSON");  // at the third brace
  std::string wide = "{\"0\":0";
  for (int i = 1; i <= 32; ++i) wide += ",\"" + std::to_string(i) + "\":0";
  CHECK(code(read_json_object(wide + "}")) == "bad_json");
}

TEST_CASE("strict_json: what is written is read back", "[json]") {
  const std::string text = "quote \" backslash \\ tab \t é 😀 \x7F";
  std::string json = "{";
  pki::append_json_string(json, text);
  json += ":";
  pki::append_json_string(json, "\x01");
  CHECK(json == "{\"quote \\\" backslash \\\\ tab \\u0009 é 😀 \x7F\":\"\\u0001\"");
  const auto object = read_json_object(json + "}");
  REQUIRE(object);
  CHECK(object->front().name == text);
}
