#include <catch2/catch.hpp>

#include "faults.hpp"
#include "server/api/api_request.hpp"
#include "server/api/problem_pages.hpp"
#include "server/api/request_target.hpp"
#include "server/api/router.hpp"

using namespace server;

namespace {

Route route(Method method, std::string pattern, Route::Key key = Route::Key::none,
            Route::Body body = Route::Body::none) {
  Route out;
  out.method = method;
  out.pattern = std::move(pattern);
  out.key = key;
  out.body = body;
  return out;
}

HttpRequest post(std::string body, std::string key = "") {
  HttpRequest out;
  out.method = Method::post;
  out.target = "/v1/things";
  out.content_type = "application/json";
  out.body = std::move(body);
  out.idempotency_key = std::move(key);
  return out;
}

std::string key_of(std::string_view field) {
  std::string out = "refused";
  if (problem_of([&] { out = read_idempotency_key(field); }) == "idempotency-key-invalid") {
    return "refused";
  }
  return out;
}

}  // namespace

TEST_CASE("paths are split strictly") {
  using Path = std::vector<std::string>;
  CHECK(split_path("/v1/consents?limit=1") == Path{"v1", "consents"});
  CHECK(split_path("https://api.example.jp/v1/consents") == Path{"v1", "consents"});
  CHECK(split_path("/v1/%63onsents") == Path{"v1", "consents"});
  for (const char* target :
       {"",         "v1",           "/",         "//",       "/v1/",   "/v1//x",
        "/v1/../x", "/v1/%2e%2e/x", "/v1/a%2Fb", "/v1/a%00", "/v1/a%", "/v1/a%4",
        "/v1/a%zz", "/v1/a b",      "/v1/a%20b", "/v1/a\\b", "/v1/山", "/1/2/3/4/5/6/7/8/9",
        "*",        "/v1/a;b"}) {
    INFO(target);
    CHECK_FALSE(split_path(target).has_value());
  }
  CHECK_FALSE(split_path("/v1/" + std::string(65, 'a')).has_value());
}

TEST_CASE("parameters are decoded; unknown, doubled and malformed ones are all told") {
  const auto query = read_query("/x?a=1&b=%E5%B1%B1&c=", {"a", "b", "c"});
  CHECK(query.at("a") == "1");
  CHECK(query.at("b") == "山");
  CHECK(query.at("c").empty());
  const auto faults = [](std::string_view target) {
    return problem_of([&] { static_cast<void>(read_query(target, {"limit", "wait"})); });
  };
  CHECK(faults("/x") == "");
  CHECK(faults("/x?limit=1&limit=2&wiat=3&wait") ==
        "invalid-request limit:duplicate_parameter wiat:unknown_parameter wait:bad_value");
  CHECK(faults("/x?limit=%00") == "invalid-request limit:bad_value");
  CHECK(faults("/x?limit=%ff") == "invalid-request limit:bad_value");
  CHECK(faults("/x?limit=%4") == "invalid-request limit:bad_value");
  // What is no name is not echoed.
  CHECK(faults("/x?%E5%B1%B1%E7%94%B0=1") == "invalid-request :unknown_parameter");
}

TEST_CASE("a token's scheme is written in any case, and no other is one") {
  CHECK(bearer_token("Bearer abc") == "abc");
  CHECK(bearer_token("bearer abc") == "abc");
  CHECK(bearer_token("BEARER abc") == "abc");
  for (const char* field : {"", "Bearer", "Basic abc", "Bearerabc", " Bearer abc", "DPoP abc"}) {
    INFO(field);
    CHECK_FALSE(bearer_token(field).has_value());
  }
}

TEST_CASE("tokens in addresses are noticed, whatever they are called") {
  CHECK(has_token_in_query("/x?access_token=abc"));
  CHECK(has_token_in_query("/x?limit=1&%74oken=abc"));
  CHECK(has_token_in_query("/x?Authorization=abc"));
  CHECK(has_token_in_query("/x?cursor=eyJhbGciOiJFUzI1NiJ9.eyJhIjoxfQ.c2ln"));
  CHECK_FALSE(has_token_in_query("/x?cursor=AQEAAAABAAAA&page_token=cGFnZQ"));
}

TEST_CASE("the router knows addresses, methods and what an address takes") {
  const Router router({route(Method::get, "/v1/consents/{}"), route(Method::post, "/v1/consents"),
                       route(Method::get, "/v1/consents"),
                       route(Method::post, "/v1/consents/{}/withdrawal")});
  const auto one = router.find(Method::get, "/v1/consents/cns_a");
  REQUIRE(one.route.has_value());
  CHECK(one.path == std::vector<std::string>{"cns_a"});
  CHECK(router.find(Method::head, "/v1/consents").route == 2U);
  CHECK(router.find(Method::post, "/v1/consents/x/withdrawal").route == 3U);
  CHECK(router.find(Method::put, "/v1/consents").allow == "POST, GET, HEAD");
  CHECK_FALSE(router.find(Method::put, "/v1/consents").route.has_value());
  CHECK(router.find(Method::get, "/v2/consents").allow.empty());
  CHECK(router.find(Method::get, "/V1/consents").allow.empty());
  CHECK_THROWS_AS(Router({route(Method::get, "/a/{}"), route(Method::get, "/a/{}")}),
                  std::logic_error);
}

TEST_CASE("an Idempotency-Key is visible ASCII, bare or as a structured string") {
  CHECK(key_of("8e03978e-40d5") == "8e03978e-40d5");
  CHECK(key_of("\"8e03978e-40d5\"") == "8e03978e-40d5");
  CHECK(key_of(R"("a\"b\\c")") == R"(a"b\c)");
  CHECK(key_of(std::string(255, 'k')) == std::string(255, 'k'));
  for (const std::string& field :
       {std::string(256, 'k'), std::string("a b"), std::string("\"\""), std::string("\""),
        std::string("\"a"), std::string("\"a\"b\""), std::string("\"a\\x\""),
        std::string("\"a\\\""), std::string("\xE5\xB1\xB1"), std::string("a\tb")}) {
    INFO(field);
    CHECK(key_of(field) == "refused");
  }
}

TEST_CASE("what a route takes is checked before it runs") {
  const Route takes = route(Method::post, "/v1/things", Route::Key::required, Route::Body::json);
  const auto problem = [&](const HttpRequest& request, const Route& with) {
    return problem_of([&] {
      ApiRequest out;
      read_request(request, with, out);
    });
  };
  CHECK(problem(post("{}", "k"), takes).empty());
  CHECK(problem(post("{}"), takes) == "idempotency-key-missing");
  CHECK(problem(post("{", "k"), takes) == "invalid-request :bad_json");
  HttpRequest other = post("{}", "k");
  other.content_type = "text/plain";
  CHECK(problem(other, takes) == "unsupported-media-type");
  CHECK(problem(post("{}", "k"), route(Method::post, "/v1/things")) == "invalid-request");
  CHECK(problem(post("{}"), route(Method::post, "/", Route::Key::optional, Route::Body::json))
            .empty());
}

TEST_CASE("requests are the same if method, target and body are") {
  const Route takes = route(Method::post, "/v1/things", Route::Key::none, Route::Body::json);
  const auto hash = [&](const HttpRequest& request) {
    ApiRequest out;
    read_request(request, takes, out);
    return out.body_sha256;
  };
  HttpRequest moved = post("{}");
  moved.target = "/v1/others";
  CHECK(hash(post("{}")).size() == 32);
  CHECK(hash(post("{}", "a")) == hash(post("{}", "b")));
  CHECK(hash(post("{}")) != hash(post("{ }")));
  CHECK(hash(post("{}")) != hash(moved));
}

TEST_CASE("callers are let in by registration, state and role, in this order") {
  const auto problem = [](const std::optional<Caller>& caller, Route::Access access) {
    return problem_of([&] {
      if (const auto refusal = refusal_of(caller, access)) throw Problem(*refusal);
    });
  };
  Caller caller{"inst_a", "a", *Roles::from_names({"poller"}), true, true};
  CHECK(problem(caller, Route::Access::poller).empty());
  CHECK(problem(caller, Route::Access::any_role).empty());
  CHECK(problem(caller, Route::Access::query) == "role-missing");
  CHECK(problem(caller, Route::Access::consent_admin) == "role-missing");
  CHECK(problem(std::nullopt, Route::Access::any_role) == "client-certificate-unknown");
  caller.is_institution_active = false;
  CHECK(problem(caller, Route::Access::query) == "institution-disabled");
  caller.is_certificate_active = false;
  CHECK(problem(caller, Route::Access::query) == "client-certificate-revoked");
}

TEST_CASE("entity tags, request ids and languages") {
  CHECK(names_etag("\"1\"", "\"1\""));
  CHECK(names_etag("\"0\", W/\"1\"", "\"1\""));
  CHECK(names_etag("*", "\"1\""));
  CHECK_FALSE(names_etag("\"11\", 1", "\"1\""));
  CHECK(echoed_request_id("bank-4711_a.b:c") == "bank-4711_a.b:c");
  CHECK(echoed_request_id("a b").empty());
  CHECK(echoed_request_id(std::string(65, 'a')).empty());
  CHECK(make_request_id() != make_request_id());
  CHECK(make_request_id()[14] == '4');
}

TEST_CASE("the language of a page is the one that is wanted more") {
  const auto is_english = [](std::string_view wishes) {
    return page_language(wishes) == PageLanguage::english;
  };
  CHECK_FALSE(is_english(""));
  CHECK(is_english("en-GB,en;q=0.9,ja;q=0.8"));
  CHECK_FALSE(is_english("en;q=0.5, ja"));
  CHECK_FALSE(is_english("fr"));
  // RFC 9110 12.4.2 and 12.5.4: names and "q" in any case, white space around ";"; and around "="
  // it does no harm.
  CHECK_FALSE(is_english("EN;q=0.5, Ja-jp;Q=0.6"));
  CHECK(is_english("En , ja ; q = 0.9"));
  CHECK(is_english("ja\t;\tq=0.1,en;q=0.2"));
  // Jamaican creole and Enets are other languages.
  CHECK(is_english("jam, en;q=0.1"));
  CHECK_FALSE(is_english("enf, ja;q=0.1"));
  // 0 is "not acceptable"; "*" is whatever is not named.
  CHECK(is_english("ja;q=0"));
  CHECK_FALSE(is_english("en;q=0"));
  CHECK_FALSE(is_english("en;q=0.000, ja;q=0"));
  CHECK(is_english("*, ja;q=0.5"));
  CHECK(is_english("*;q=0.1, ja;q=0"));
  CHECK_FALSE(is_english("*"));
  // What is no wish is none.
  for (const char* const text : {"en;q=x", "en;q=", "en;q", "en;", "en;p=1", "en;q=2", "en;q=-1",
                                 "en;q=nan", "en;q=0.5x", ";q=1", ",;,", "="}) {
    CAPTURE(text);
    CHECK_FALSE(is_english(text));
  }
}
