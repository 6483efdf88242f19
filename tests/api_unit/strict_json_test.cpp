#include "server/api/strict_json.hpp"

#include <catch2/catch.hpp>

#include "faults.hpp"

namespace {

std::string fault(std::string_view text) {
  return problem_of([text] { static_cast<void>(server::parse_strict_json(text)); });
}

std::string nested(std::size_t depth) {
  return std::string(depth, '[') + std::string(depth, ']');
}

}  // namespace

TEST_CASE("what strict JSON takes is what it says") {
  const auto json = server::parse_strict_json(
      R"( {"a":[1,-2,9007199254740991,-9007199254740991,0],"b":{"c":"\u5c71田","d":null,"e":true}} )");
  CHECK(json["a"] == nlohmann::json({1, -2, 9007199254740991, -9007199254740991, 0}));
  CHECK(json["b"]["c"] == "山田");
  CHECK(json["b"]["d"].is_null());
  CHECK(json["b"]["e"] == true);
  CHECK(json["a"][0].type() == nlohmann::json::value_t::number_integer);
  CHECK(server::parse_strict_json("7") == 7);
  CHECK(server::parse_strict_json(nested(16)).is_array());
}

TEST_CASE("what readers could read differently is refused, with its place") {
  CHECK(fault("") == "invalid-request :bad_json");
  CHECK(fault("{} {}") == "invalid-request :bad_json");
  CHECK(fault("{'a':1}") == "invalid-request :bad_json");
  CHECK(fault("[1,]") == "invalid-request :bad_json");
  CHECK(fault("// comment\n{}") == "invalid-request :bad_json");
  CHECK(fault("\xEF\xBB\xBF{}") == "invalid-request :bad_json");
  CHECK(fault(std::string_view("{}\0", 3)) == "invalid-request :bad_json");
  CHECK(fault(std::string_view("{}\0{}", 5)) == "invalid-request :bad_json");
  CHECK(fault(R"({"a":"x\u0000y"})") == "invalid-request /a:bad_json");
  CHECK(fault(R"({"a\u0000":1})") == "invalid-request :bad_json");
  CHECK(fault("{\"a\":\"\xC3\x28\"}") == "invalid-request :bad_json");
  CHECK(fault("{\"a\":\"\xED\xA0\x80\"}") == "invalid-request :bad_json");
  CHECK(fault(R"({"a":"\ud800"})") == "invalid-request :bad_json");
  CHECK(fault("{\"a\":\"\x01\"}") == "invalid-request :bad_json");
  CHECK(fault("NaN") == "invalid-request :bad_json");
}

TEST_CASE("a member twice is refused at any depth, also when it is spelt in two ways") {
  CHECK(fault(R"({"alg":"ES256","alg":"none"})") == "invalid-request /alg:duplicate_member");
  CHECK(fault(R"({"a":[{"b":1,"c":2,"\u0062":3}]})") == "invalid-request /a/0/b:duplicate_member");
  CHECK(fault(R"({"a":{"a":{"a":1}}})").empty());
}

TEST_CASE("numbers are integers that every reader has room for") {
  for (const char* text : {"1.0", "1e3", "-0", "-0.0", "1E0", "9007199254740992",
                           "-9007199254740992", "99999999999999999999", "-99999999999999999999"}) {
    INFO(text);
    CHECK(fault(text).find("invalid-request :") == 0);
    CHECK(fault(fmt::format(R"({{"exp":{}}})", text)).find("invalid-request /exp:") == 0);
  }
  CHECK(fault("1e400") == "invalid-request :bad_json");  // too large for a double, even
  CHECK(fault("[0,1,2.5]") == "invalid-request /2:not_an_integer");
}

TEST_CASE("depth and number of values are bounded, without recursion") {
  CHECK(fault(nested(17)).find(":too_deep") != std::string::npos);
  CHECK(fault(std::string(100'000, '[')).find(":too_deep") != std::string::npos);
  std::string bomb;
  for (int i = 0; i < 100'000; ++i) bomb += R"({"a":)";
  CHECK(fault(bomb).find(":too_deep") != std::string::npos);
  std::string wide = "[0";
  for (std::size_t i = 0; i < server::kJsonValuesMax; ++i) wide += ",0";
  wide += "]";
  CHECK(fault(wide) ==
        fmt::format("invalid-request /{}:too_many_values", server::kJsonValuesMax - 1));
}

TEST_CASE("a pointer escapes and clips names") {
  CHECK(server::json_pointer("/a", "b/c~d") == "/a/b~1c~0d");
  CHECK(server::json_pointer("", fmt::format("{:x>63}山", "")) == fmt::format("/{:x>63}", ""));
}
