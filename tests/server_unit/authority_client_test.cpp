// authority_client_test.cpp: AuthorityClient against a server that misbehaves: what is asked again,
// what is given up, and when the authority is left alone.
#include <catch2/catch.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <set>
#include <thread>

#include "server/upstream/authority_metrics.hpp"
#include "tests/server_unit/authority_fixture.hpp"

using namespace test;
using namespace server;
using std::chrono::milliseconds;
using Answer = Ending<InformationAnswer>;

namespace {

const Json kNothingNew{{"body", R"({"state":"no_newer_information","billable_yen":0})"},
                       {"headers", {{"Content-Type", "application/json"}}}};
const Json kBusy{{"status", 503}};

// A place of its own on one of the fixture's servers, for one test. "client" is the one that wants
// a client certificate.
class Place {
 public:
  Place(const std::string& which, const std::vector<Json>& answers) {
    static int places = 0;
    prefix_ = "/place-" + std::to_string(++places);
    server_.answer(path(), answers);
    config.url = server_.url(prefix_, which);
    config.certificate = server_.certificate_file("client.pem");
    config.key = server_.certificate_file("client.key");
    config.ca = server_.certificate_file("ca.pem");
    config.connections = 1;
    config.timeout = milliseconds(20'000);
    config.breaker_pause = milliseconds(20'000);
  }
  [[nodiscard]] std::vector<Json> requests() { return server_.requests(path()); }
  void answer(const std::vector<Json>& answers) { server_.answer(path(), answers); }
  // On how many connections the requests came.
  [[nodiscard]] std::size_t connections() {
    std::set<int> ports;
    for (const Json& request : requests()) ports.insert(request.at("connection").get<int>());
    return ports.size();
  }

  AuthorityConfig config;

 private:
  [[nodiscard]] std::string path() const { return prefix_ + "/v1/four-information"; }
  FixtureServer& server_ = FixtureServer::get();
  std::string prefix_;
};

InformationQuestion question(const std::string& id = "dsc_1") {
  CertificateName name;
  name.serial = Redacted<std::vector<std::uint8_t>>(std::vector<std::uint8_t>{0x5E, 0x41, 0xA1});
  return {id, "consent-000001", name, {InformationItem::address}};
}

Answer ask(Asker& asker, const std::string& id = "dsc_1") {
  return asker.ask(asker.client->ask(question(id)));
}

// How one question at a place ends.
std::string ending(const Place& place) {
  Asker asker(place.config);
  return ask(asker).text();
}

std::uint64_t outcomes(const Asker& asker, AuthorityOutcome outcome) {
  return asker.link->stats.requests.at(static_cast<std::size_t>(AuthorityRequestKind::ask))
      .at(static_cast<std::size_t>(outcome));
}

}  // namespace

TEST_CASE("client: questions one after the other share a connection", "[client]") {
  Place place("client", {kNothingNew});
  Asker asker(place.config);
  for (int i = 0; i < 5; ++i) REQUIRE(ask(asker).answer);
  CHECK(place.requests().size() == 5);
  CHECK(place.connections() == 1);
  CHECK(asker.link->stats.connections_opened == 1);
  CHECK(asker.link->stats.connections_in_use == 0);
  CHECK(asker.link->stats.connections_idle == 1);
  CHECK(outcomes(asker, AuthorityOutcome::no_newer_information) == 5);
  const Json request = place.requests().at(0);
  CHECK(request.at("headers").at("content-type") == "application/json");
  CHECK(Json::parse(request.at("body").get<std::string>()).at("certificate").at("serial") ==
        "5e41a1");
}

TEST_CASE("client: what fails in passing is asked again, with the same id", "[client]") {
  Place place("client", {kBusy, kBusy, kNothingNew});
  Asker asker(place.config);
  CHECK(ask(asker, "dsc_7").answer);
  REQUIRE(place.requests().size() == 3);
  CHECK(place.requests().at(0).at("body") == place.requests().at(2).at("body"));
  CHECK(asker.link->stats.retries == 2);
  CHECK(asker.link->breaker.state(CircuitBreaker::Clock::now()) == CircuitBreaker::State::closed);
}

TEST_CASE("client: three attempts, no more, and what it says may be logged", "[client]") {
  Place place("client", {kBusy});
  Asker asker(place.config);
  const Answer answer = ask(asker);
  CHECK(answer.trouble() == "bad_status");
  CHECK_THAT(answer.text(), Catch::StartsWith("the authority at 127.0.0.1:") &&
                                Catch::EndsWith("it answered 503 (after 3 attempts)"));
  CHECK(place.requests().size() == 3);
  CHECK(outcomes(asker, AuthorityOutcome::unavailable) == 1);
}

TEST_CASE("client: what would be answered the same is not asked again", "[client]") {
  for (const int status : {501, 429, 400, 401, 302}) {
    INFO(status);
    Place place("client", {{{"status", status}}});
    CHECK_THAT(ending(place), Catch::Contains(std::to_string(status)));
    CHECK(place.requests().size() == 1);
  }
}

TEST_CASE("client: Retry-After is kept to, and passed on", "[client]") {
  Place place("client", {{{"status", 503}, {"headers", {{"Retry-After", "30"}}}}, kNothingNew});
  Asker asker(place.config);  // gives up after 20 seconds: so it need not wait
  const Answer answer = ask(asker);
  CHECK(place.requests().size() == 1);
  try {
    std::rethrow_exception(answer.error);
  } catch (const AuthorityUnavailable& unavailable) {
    CHECK(unavailable.retry_after() == milliseconds(30'000));
  }
}

TEST_CASE("client: retries end with their budget", "[client]") {
  Place place("client", {kBusy});
  place.config.breaker_failures = 1000;
  Asker asker(place.config);
  for (int i = 0; i < 20; ++i) CHECK_FALSE(ask(asker).answer);
  // Ten in reserve, and one for ten questions: two more.
  CHECK(asker.link->stats.retries == 11);
  CHECK(place.requests().size() == 31);
}

TEST_CASE("client: the deadline ends it, whatever it waits for", "[client]") {
  Place place("client", {{{"wait", 30}}});
  place.config.timeout = milliseconds(150);
  Asker asker(place.config);
  const auto first = asker.begin(asker.client->ask(question("dsc_1")));
  const auto queued = asker.begin(asker.client->ask(question("dsc_2")));
  asker.run();
  CHECK(first->trouble() == "timeout");
  CHECK(queued->trouble() == "timeout");
  CHECK(place.requests().size() <= 2);
  CHECK(asker.link->stats.connections_in_use == 0);
}

TEST_CASE("client: answers that can't be used", "[client]") {
  const Json json{{"Content-Type", "application/json"}};
  Place garbage("client", {{{"body", "{{{{"}, {"headers", json}}});
  CHECK_THAT(ending(garbage), Catch::Contains("no JSON object (after 1 attempt)"));
  Place page("client", {{{"body", "<html>"}, {"headers", {{"Content-Type", "text/html"}}}}});
  CHECK_THAT(ending(page), Catch::Contains("Content-Type"));
  Place large("client", {{{"body", std::string(70'000, ' ')}, {"headers", json}}});
  CHECK_THAT(ending(large), Catch::Contains("body limit exceeded"));
  CHECK(large.requests().size() == 1);
  Place chunked("client",
                {{{"body", std::string(70'000, ' ')}, {"headers", json}, {"chunked", true}}});
  CHECK_THAT(ending(chunked), Catch::Contains("body limit exceeded"));
  Place header("client", {{{"headers", {{"X", std::string(9'000, 'x')}}}}});
  CHECK_THAT(ending(header), Catch::Contains("limit"));
  Place raw("client", {{{"raw", "SSH-2.0-OpenSSH_9.2\r\n\r\n"}}});
  CHECK_THAT(ending(raw), Catch::Contains("receiving: "));
}

TEST_CASE("client: a connection that ends within an answer is tried again", "[client]") {
  Json cut = kNothingNew;
  cut["cut"] = 5;
  Place place("client", {cut, kNothingNew});
  Asker asker(place.config);
  CHECK(ask(asker).answer);
  CHECK(place.requests().size() == 2);
}

TEST_CASE("client: a server that drops idle connections costs no attempt", "[client]") {
  Json hang_up = kNothingNew;
  hang_up["hang_up"] = true;
  Place place("client", {hang_up});
  Asker asker(place.config);
  for (int i = 0; i < 4; ++i) REQUIRE(ask(asker).answer);
  CHECK(place.connections() == 4);
  CHECK(asker.link->stats.retries == 0);
  Json closes = kNothingNew;
  closes["headers"]["Connection"] = "close";
  place.answer({closes});
  for (int i = 0; i < 3; ++i) REQUIRE(ask(asker).answer);
  CHECK(asker.link->stats.connections_idle == 0);
}

TEST_CASE("client: only the authority itself is believed", "[client]") {
  const auto trouble = [](const std::string& which) {
    Place place(which, {kNothingNew});
    Asker asker(place.config);
    const Answer answer = ask(asker);
    CHECK(place.requests().size() == (answer.answer ? 1 : 0));
    return answer.trouble() + ": " + answer.text();
  };
  CHECK(trouble("server") == ": ");
  CHECK_THAT(trouble("wrong-host"),
             Catch::StartsWith("untrusted: ") && Catch::Contains("(after 1"));
  CHECK_THAT(trouble("expired"), Catch::StartsWith("untrusted: ") && Catch::Contains("expired"));
  CHECK_THAT(trouble("stranger"),
             Catch::StartsWith("untrusted: ") && Catch::Contains("local issuer"));
}

TEST_CASE("client: our certificate must be right, too", "[client]") {
  FixtureServer& server = FixtureServer::get();
  Place place("client", {kNothingNew});
  place.config.certificate = server.certificate_file("stranger.pem");
  place.config.key = server.certificate_file("stranger.key");
  Asker asker(place.config);
  const Answer answer = ask(asker);
  CHECK_FALSE(answer.answer);
  CHECK(place.requests().empty());
  place.config.key = server.certificate_file("client.key");
  CHECK_THROWS_WITH(Asker(place.config), Catch::Contains("client.key"));
  place.config.ca = "/nonexistent.pem";
  CHECK_THROWS_WITH(Asker(place.config),
                    Catch::Contains("/nonexistent.pem") && Catch::Contains("`ca`"));
}

TEST_CASE("client: nobody there", "[client]") {
  Place place("client", {kNothingNew});
  place.config.url = "https://127.0.0.1:1";
  CHECK_THAT(ending(place), Catch::Contains("cannot connect") && Catch::Contains("3 attempts"));
  place.config.url = "https://authority.invalid:1";
  CHECK_THAT(ending(place), Catch::Contains("authority.invalid:1"));
  Place http("http", {kNothingNew});  // speaks no TLS
  http.config.url.insert(4, "s");
  CHECK_THAT(ending(http), Catch::Contains("TLS"));
}

TEST_CASE("client: the breaker opens, lets one try, and closes", "[client]") {
  Place place("client", {kBusy, kBusy, kNothingNew});
  place.config.breaker_failures = 2;
  place.config.breaker_pause = milliseconds(200);
  Asker asker(place.config);
  CHECK(ask(asker).trouble() == "bad_status");  // the second attempt opened it: no third
  CHECK(place.requests().size() == 2);
  const Answer refused = ask(asker);
  CHECK(refused.trouble() == "circuit_open");
  CHECK(place.requests().size() == 2);
  MetricsText text;
  add_authority_metrics(*asker.link, "api", CircuitBreaker::Clock::now(), text);
  CHECK_THAT(text.text(),
             Catch::Contains("tashika_authority_breaker_open{link=\"api\"} 1\n") &&
                 Catch::Contains("failures_total{reason=\"bad_status\",link=\"api\"} 2\n") &&
                 Catch::Contains("{kind=\"ask\",outcome=\"unavailable\",link=\"api\"} 2\n"));
  asker.run_for(milliseconds(1));
  while (asker.link->breaker.state(CircuitBreaker::Clock::now()) == CircuitBreaker::State::open) {
    std::this_thread::sleep_for(milliseconds(10));
  }
  CHECK(ask(asker).answer);
  CHECK(asker.link->breaker.state(CircuitBreaker::Clock::now()) == CircuitBreaker::State::closed);
  CHECK(ask(asker).answer);
}

TEST_CASE("client: a considered No does not open the breaker", "[client]") {
  Json no{{"status", 403},
          {"body", R"({"state":"consent_withdrawn"})"},
          {"headers", {{"Content-Type", "application/json"}}}};
  Place place("client", {no});
  place.config.breaker_failures = 1;
  Asker asker(place.config);
  for (int i = 0; i < 3; ++i) {
    CHECK(std::get<AuthorityRefusal>(*ask(asker).answer) == AuthorityRefusal::consent_withdrawn);
  }
  CHECK(outcomes(asker, AuthorityOutcome::refused) == 3);
}

TEST_CASE("client: who waits is served in turn, and not more than may wait", "[client]") {
  Json slow = kNothingNew;
  slow["wait"] = 0.05;
  Place place("client", {slow});
  place.config.queue_max = 3;
  Asker asker(place.config);
  std::vector<std::shared_ptr<Answer>> answers;
  for (int i = 0; i < 5; ++i) {
    answers.push_back(asker.begin(asker.client->ask(question("dsc_" + std::to_string(i)))));
  }
  asker.run();
  CHECK(answers[4]->trouble() == "overloaded");
  REQUIRE(place.requests().size() == 4);
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(answers[i]->answer);
    CHECK_THAT(place.requests().at(i).at("body").get<std::string>(),
               Catch::Contains("dsc_" + std::to_string(i)));
  }
  CHECK(asker.link->stats.waiting == 0);
}

TEST_CASE("client: as many at once as there are connections", "[client]") {
  Json slow = kNothingNew;
  slow["wait"] = 0.05;
  Place place("client", {slow});
  place.config.connections = 4;
  Asker asker(place.config);
  std::vector<std::shared_ptr<Answer>> answers;
  for (int i = 0; i < 12; ++i) answers.push_back(asker.begin(asker.client->ask(question())));
  asker.run();
  for (const auto& answer : answers) CHECK(answer->answer);
  CHECK(place.connections() == 4);
}

TEST_CASE("client: whoever is cancelled leaves his place to others", "[client]") {
  namespace asio = boost::asio;
  Json slow = kNothingNew;
  slow["wait"] = 0.1;
  Place place("client", {slow});
  Asker asker(place.config);
  std::vector<asio::cancellation_signal> signals(3);
  std::vector<std::shared_ptr<Answer>> answers;
  for (auto& signal : signals) {
    answers.push_back(std::make_shared<Answer>());
    asio::co_spawn(asker.context, asker.client->ask(question()),
                   asio::bind_cancellation_slot(signal.slot(), Asker::keep(answers.back())));
  }
  const auto last = asker.begin(asker.client->ask(question()));
  SECTION("in the queue") {
    asker.run_for(milliseconds(20));
    signals[1].emit(asio::cancellation_type::terminal);
    asker.run();
    CHECK(answers[0]->answer);
    CHECK(answers[1]->trouble() == "cancelled");
    CHECK(answers[2]->answer);
  }
  SECTION("while asking, and before it begins") {
    asker.run_for(milliseconds(60));
    signals[0].emit(asio::cancellation_type::terminal);
    signals[2].emit(asio::cancellation_type::terminal);
    asker.run();
    CHECK(answers[0]->trouble() == "cancelled");
    CHECK(answers[1]->answer);
    CHECK(answers[2]->trouble() == "cancelled");
  }
  CHECK(last->answer);
  CHECK(asker.link->stats.connections_in_use == 0);
  CHECK(asker.link->stats.waiting == 0);
  CHECK(asker.link->stats.troubles == AuthorityStats{}.troubles);
}

TEST_CASE("client: at its end nobody waits any longer", "[client]") {
  Place place("client", {{{"wait", 30}}});
  Asker asker(place.config);
  const auto asking = asker.begin(asker.client->ask(question()));
  const auto waiting = asker.begin(asker.client->ask(question()));
  asker.run_for(milliseconds(60));
  REQUIRE_FALSE(asking->is_over());
  asker.client.reset();
  asker.run();
  CHECK(asking->trouble() == "shutting_down");
  CHECK(waiting->trouble() == "shutting_down");

  Place failing("client", {kBusy});
  Asker retrying(failing.config);
  const auto later = retrying.begin(retrying.client->ask(question()));
  while (retrying.link->stats.troubles.at(static_cast<std::size_t>(AuthorityTrouble::bad_status)) ==
         0) {
    retrying.context.run_one();
  }
  retrying.client->close();  // between two attempts
  retrying.run();
  CHECK(later->trouble() == "shutting_down");
}

TEST_CASE("client: a loop that ends takes its questions with it", "[client]") {
  Place place("client", {{{"wait", 30}}});
  std::shared_ptr<AuthorityLink> link;
  {
    Asker asker(place.config);
    link = asker.link;
    static_cast<void>(asker.begin(asker.client->ask(question())));
    static_cast<void>(asker.begin(asker.client->ask(question())));
    asker.run_for(milliseconds(60));
  }
  CHECK(link.use_count() == 1);
  CHECK(link->stats.connections_in_use == 0);
  CHECK(link->stats.waiting == 0);
}

TEST_CASE("client: addresses", "[client]") {
  const AuthorityAddress plain = parse_authority_url("https://authority.example");
  CHECK(plain.host == "authority.example");
  CHECK(plain.port == "443");
  CHECK_FALSE(plain.is_numeric);
  const AuthorityAddress six = parse_authority_url("https://[::1]:7443/jpki/");
  CHECK(six.host == "::1");
  CHECK(six.port == "7443");
  CHECK(six.prefix == "/jpki");
  CHECK(six.authority == "[::1]:7443");
  CHECK(six.is_numeric);
  for (const char* const url : {"http://a", "https://", "https://a:0", "https://a:65536",
                                "https://a:b", "https://user@a", "https://:1", "https://a:"}) {
    INFO(url);
    CHECK_THROWS_AS(parse_authority_url(url), std::invalid_argument);
  }
}
