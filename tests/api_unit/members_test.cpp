#include "server/api/members.hpp"

#include <catch2/catch.hpp>

#include "faults.hpp"

using nlohmann::json;
using server::Members;

TEST_CASE("members read what is there") {
  const json body = json::parse(R"({
    "name":"山田","count":3,"on":true,"scopes":["a","b"],"at":"2026-11-22T00:00:01.5Z","hash":"00ff",
    "octets":"AAEC","notice":{"version":"1"},"items":[{"n":1},{"n":2}],"kind":"raw"})");
  Members members(body);
  CHECK(members.text("name", {.max = 2}) == "山田");
  CHECK(members.integer("count", 1, 3) == 3);
  CHECK(members.flag("on"));
  CHECK_FALSE(members.flag("off"));
  CHECK(members.texts("scopes") == std::vector<std::string>{"a", "b"});
  CHECK(pki::to_string(members.time("at")) == "2026-11-22T00:00:01Z");
  CHECK(members.hex("hash", 2) == std::vector<std::uint8_t>{0, 255});
  CHECK(members.base64("octets", 3) == std::vector<std::uint8_t>{0, 1, 2});
  CHECK(members.object("notice").text("version") == "1");
  auto items = members.objects("items", 2);
  REQUIRE(items.size() == 2);
  CHECK(items[0].integer("n", 0, 9) == 1);
  CHECK(items[1].integer("n", 0, 9) == 2);
  CHECK(members.choice("kind", {"raw", "cms"}) == "raw");
  CHECK_FALSE(members.optional_text("absent").has_value());
  CHECK_FALSE(members.optional_object("absent").has_value());
  CHECK(problem_of([&] { members.finish(); }).empty());
}

TEST_CASE("all faults are told at once, each with its place and never with its value") {
  const json body = json::parse(R"({
    "long":"canary-value","count":"canary-value","list":["a",1,"a"],"at":"2026-11-22","hash":"00FF",
    "octets":"A A","notice":{"versoin":"canary-value"},"items":[7],"kind":"canary-value","canary":1})");
  Members members(body);
  static_cast<void>(members.text("long", {.max = 3}));
  static_cast<void>(members.integer("count", 1, 3));
  static_cast<void>(members.texts("list"));
  static_cast<void>(members.time("at"));
  static_cast<void>(members.hex("hash", 2));
  static_cast<void>(members.base64("octets", 3));
  Members notice = members.object("notice");
  static_cast<void>(notice.text("version"));
  static_cast<void>(members.objects("items", 9));
  static_cast<void>(members.choice("kind", {"raw"}));
  static_cast<void>(members.text("missing"));
  CHECK(problem_of([&] { members.finish(); }) ==
        "invalid-request /long:too_long /count:wrong_type /list/1:wrong_type /list/2:duplicate "
        "/at:bad_time /hash:bad_hex /octets:bad_base64 /notice/version:missing /items/0:wrong_type "
        "/kind:not_allowed /missing:missing /canary:unknown_member /notice/versoin:unknown_member");
  try {
    members.finish();
  } catch (const server::Problem& problem) {
    std::string all = problem.detail();
    for (const auto& fault : problem.faults()) all += fault.detail;
    CHECK(all.find("canary-value") == std::string::npos);
  }
}

TEST_CASE("what is inside of a missing object is not missing, too") {
  const json body = json::object();
  Members members(body);
  Members notice = members.object("notice");
  static_cast<void>(notice.text("version"));
  CHECK(problem_of([&] { members.finish(); }) == "invalid-request /notice:missing");
}

TEST_CASE("a body that is no object is one fault") {
  const json body = json::array();
  Members members(body);
  static_cast<void>(members.text("a"));
  CHECK(problem_of([&] { members.finish(); }) == "invalid-request :wrong_type");
}

TEST_CASE("moments are in UTC, to the second") {
  for (const char* text :
       {"2026-11-22T00:00:00+09:00", "2026-11-22 00:00:00Z", "2026-02-30T00:00:00Z", "",
        "2026-11-22T00:00:60Z", "2026-11-22T00:00:00.Z", "2026-11-22T00:00:00.1234567890Z"}) {
    INFO(text);
    const json body = {{"at", text}};
    Members members(body);
    static_cast<void>(members.time("at"));
    CHECK(problem_of([&] { members.finish(); }) == "invalid-request /at:bad_time");
  }
}
