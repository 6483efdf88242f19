// list_tls_test.cpp: whom ListFetcher trusts over https, and as whom it presents itself.
#include <catch2/catch.hpp>

#include "tests/server_unit/fixture_server.hpp"

using namespace test;
using server::FetchConfig;
using server::ListFetcher;

namespace {

// How a fetch of a list from one of the fixture's servers fails; empty if it doesn't.
std::string failure_at(const std::string& server, const FetchConfig& config) {
  FixtureServer& http = FixtureServer::get();
  const Directory cache;
  http.answer("/tls", {{{"body", "list"}}});
  ListFetcher fetcher(config, cache.path());
  const std::string text = failure(fetcher, http.url("/tls", server));
  CHECK(http.requests("/tls").size() == (text.empty() ? 1 : 0));
  return text;
}

}  // namespace

TEST_CASE("fetch: a server's certificate must be right in every way", "[fetch]") {
  CHECK(failure_at("server", impatient()).empty());
  const auto check_refused = [](const std::string& server, const std::string& why) {
    // Once: asking again would not make it another server.
    CHECK_THAT(failure_at(server, impatient()),
               Catch::StartsWith("fetch_tls: ") && Catch::Contains(why) &&
                   Catch::Contains("after 1 attempt)") && Catch::Contains("`ca`"));
  };
  check_refused("wrong-host", "host");
  check_refused("expired", "expired");
  check_refused("stranger", "unable to get local issuer");
}

TEST_CASE("fetch: trust is the system's, or that of `ca`", "[fetch]") {
  FetchConfig config = impatient();
  config.ca.clear();
  CHECK_THAT(failure_at("server", config), Catch::StartsWith("fetch_tls: "));
  config.ca = FixtureServer::get().certificate_file("stranger-ca.pem");
  CHECK(failure_at("stranger", config).empty());
  CHECK_THAT(failure_at("server", config), Catch::StartsWith("fetch_tls: "));
  config.ca = "/nonexistent.pem";
  CHECK_THAT(failure_at("server", config),
             Catch::StartsWith("fetch_tls: ") && Catch::Contains("/nonexistent.pem"));
}

TEST_CASE("fetch: our certificate opens a closed directory", "[fetch]") {
  FetchConfig config = impatient();
  config.attempts = 1;
  CHECK_THAT(failure_at("client", config), !Catch::Equals(""));
  config.certificate = FixtureServer::get().certificate_file("client.pem");
  config.key = FixtureServer::get().certificate_file("client.key");
  CHECK(failure_at("client", config).empty());
  config.key = FixtureServer::get().certificate_file("server.key");  // of another certificate
  CHECK_THAT(failure_at("client", config), Catch::StartsWith("fetch_tls: "));
}
