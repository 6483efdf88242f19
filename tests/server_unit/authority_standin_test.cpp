// authority_standin_test.cpp: AuthorityClient against the stand-in, a process of its own: every
// outcome, and that nothing is paid twice.
#include <catch2/catch.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <thread>

#include "libpki/bytes.hpp"
#include "libpki/serial.hpp"
#include "tests/server_unit/authority_fixture.hpp"

using namespace test;
using namespace server;

namespace {

// One person's dealings with one bank.
class Customer {
 public:
  explicit Customer(std::uint32_t person) : person_(person), asker_(Standin::get().config()) {}

  // The newest certificate, as the stand-in names it.
  CertificateName certificate(const std::string& seat = "card signing") {
    const Json named = standin_.control(
        "sign", {{"person", person_}, {"seat", seat}, {"document", ""}, {"even_if_revoked", true}});
    CertificateName name;
    const auto hash = pki::from_hex(named.at("issuer_key_hash").get<std::string>());
    REQUIRE(hash.size() == name.issuer_key_hash.size());
    std::copy(hash.begin(), hash.end(), name.issuer_key_hash.begin());
    name.serial = Redacted<std::vector<std::uint8_t>>(
        pki::serial_from_string(named.at("serial").get<std::string>()).value());
    return name;
  }

  pki::Time now() {
    return pki::time_from_string(standin_.control("now").at("now").get<std::string>()).value();
  }

  template <class T>
  T get(boost::asio::awaitable<T> question) {
    Ending<T> ending = asker_.ask(std::move(question));
    INFO(ending.text());
    REQUIRE(ending.answer);
    return std::move(*ending.answer);
  }

  auto registration(const std::string& id) {
    return ConsentRegistration{
        id,   "bank", "accounts", certificate(), {InformationItem::name, InformationItem::address},
        now()};
  }
  std::string agree(const std::string& id) {
    return std::get<RegisteredConsent>(get(client().register_consent(registration(id))))
        .authority_consent_id;
  }
  InformationAnswer ask(const std::string& id, const std::string& consent,
                        const CertificateName& name,
                        std::vector<InformationItem> items = {InformationItem::name,
                                                              InformationItem::address}) {
    return get(client().ask({id, consent, name, std::move(items)}));
  }
  void event(const Json& what) {
    Json event = what;
    event["person"] = person_;
    standin_.control("event", event);
  }
  AuthorityClient& client() { return *asker_.client; }
  Asker& asker() { return asker_; }
  Standin& standin() { return standin_; }

 private:
  std::uint32_t person_;
  Standin& standin_ = Standin::get();
  Asker asker_;
};

std::uint64_t yen(Standin& standin) {
  return standin.control("billing").at("yen").get<std::uint64_t>();
}

AuthorityRefusal refusal(const InformationAnswer& answer) {
  return std::get<AuthorityRefusal>(answer);
}

}  // namespace

TEST_CASE("stand-in: the story of a move, through the client", "[standin]") {
  Customer customer(1);
  const CertificateName old = customer.certificate();
  const std::string consent = customer.agree("move-consent");
  CHECK(std::holds_alternative<NoNewerInformation>(customer.ask("move-1", consent, old)));

  customer.event({{"kind", "move"},
                  {"address", "東京都清川市本町１丁目１番１号"},
                  {"reissue_after_seconds", 3600}});
  CHECK(std::holds_alternative<AwaitingCertificate>(customer.ask("move-2", consent, old)));
  CHECK(std::holds_alternative<AwaitingCertificate>(
      customer.get(customer.client().newer_certificate(consent, old))));
  customer.standin().control("advance", {{"seconds", 3600}});

  const std::uint64_t before = yen(customer.standin());
  const auto newer =
      std::get<NewerCertificate>(customer.get(customer.client().newer_certificate(consent, old)));
  CHECK(yen(customer.standin()) == before);
  CHECK(newer.certificate.serial.reveal() == customer.certificate().serial.reveal());

  const auto provided = std::get<ProvidedInformation>(customer.ask("move-3", consent, old));
  CHECK(provided.items.address->text.reveal() == "東京都清川市本町１丁目１番１号");
  CHECK(provided.items.name->map.reveal() == "0100");
  CHECK_FALSE((provided.items.birthdate || provided.items.sex));
  CHECK(provided.billable_yen == 20);
  CHECK(provided.newer.certificate.serial.reveal() == newer.certificate.serial.reveal());
  CHECK(provided.newer.certificate.issuer_key_hash == newer.certificate.issuer_key_hash);
  CHECK(yen(customer.standin()) == before + 20);
  CHECK(customer.asker().link->stats.yen == 20);
  CHECK(std::holds_alternative<NoNewerInformation>(
      customer.ask("move-4", consent, newer.certificate)));
}

TEST_CASE("stand-in: an answer that got lost is not paid twice", "[standin]") {
  Customer customer(3);
  const CertificateName old = customer.certificate();
  const std::string consent = customer.agree("lost-consent");
  customer.event({{"kind", "move"}, {"reissue_after_seconds", 0}});
  customer.event({{"kind", "reissue"}});
  const std::uint64_t before = yen(customer.standin());
  for (const char* const kind : {"reset", "truncate", "status"}) {
    INFO(kind);
    Json fault{{"path", "/v1/four-information"}, {"kind", kind}, {"count", 2}};
    fault["value"] = std::string(kind) == "status" ? 503 : 10;
    customer.standin().control("fail", fault);
    CHECK(std::holds_alternative<ProvidedInformation>(customer.ask("lost-1", consent, old)));
    customer.standin().control("fail", "DELETE");
  }
  CHECK(customer.asker().link->stats.retries > 0);
  CHECK(yen(customer.standin()) == before + 20);
  // The same id for something else is a mistake of ours, and said to be one.
  const auto other = customer.asker().ask(
      customer.client().ask({"lost-1", consent, old, {InformationItem::name}}));
  CHECK(other.trouble() == "rejected");
  CHECK_THAT(other.text(), Catch::Contains("409 (request_id_conflict)"));
}

TEST_CASE("stand-in: a consent that is registered again is the same one", "[standin]") {
  Customer customer(2);
  customer.standin().control("fail", {{"path", "/v1/consents"}, {"kind", "reset"}, {"count", 1}});
  const ConsentRegistration registration = customer.registration("twice");
  const auto once =
      std::get<RegisteredConsent>(customer.get(customer.client().register_consent(registration)));
  const auto twice =
      std::get<RegisteredConsent>(customer.get(customer.client().register_consent(registration)));
  CHECK(once.authority_consent_id == twice.authority_consent_id);
  CHECK(once.received_at == registration.received_at);
  CHECK(once.valid_from > once.received_at);
  CHECK(once.valid_until > once.valid_from);
  const Json consents = customer.standin().control("consents").at("consents");
  const auto registered = std::count_if(consents.begin(), consents.end(), [](const Json& consent) {
    return consent.at("person") == 2;
  });
  CHECK(registered == 1);
}

TEST_CASE("stand-in: refusals", "[standin]") {
  Customer customer(5);
  const CertificateName name = customer.certificate();
  const std::string consent = customer.agree("refusals");
  CHECK(refusal(customer.ask("no-1", "consent-999999", name)) == AuthorityRefusal::consent_missing);
  CHECK(refusal(customer.ask("no-2", consent, name, {InformationItem::sex})) ==
        AuthorityRefusal::item_not_consented);
  CHECK(refusal(customer.ask("no-3", consent, customer.certificate("card authentication"))) ==
        AuthorityRefusal::not_found);
  CHECK(std::get<AuthorityRefusal>(customer.get(customer.client().newer_certificate(
            "consent-999999", name))) == AuthorityRefusal::consent_missing);
  CHECK(std::get<AuthorityRefusal>(customer.get(customer.client().withdraw("consent-999999"))) ==
        AuthorityRefusal::consent_missing);

  Customer moved(6);
  ConsentRegistration late = moved.registration("too-late");
  moved.event({{"kind", "move"}, {"reissue_after_seconds", 86400}});
  late.received_at = moved.now();
  CHECK(std::get<AuthorityRefusal>(moved.get(moved.client().register_consent(late))) ==
        AuthorityRefusal::certificate_not_valid);
}

TEST_CASE("stand-in: withdrawals, page by page", "[standin]") {
  Customer customer(8);
  std::uint64_t after = 0;
  for (;;) {  // those of other tests
    const WithdrawalPage page = customer.get(customer.client().withdrawals_after(after, 1000));
    if (page.withdrawals.empty()) break;
    after = page.next_after;
  }
  const CertificateName name = customer.certificate();
  const std::string one = customer.agree("w-1");
  const std::string two = customer.agree("w-2");
  const std::string three = customer.agree("w-3");
  const auto withdrawal =
      std::get<AuthorityWithdrawal>(customer.get(customer.client().withdraw(two)));
  CHECK(withdrawal.sequence == after + 1);
  CHECK(withdrawal.authority_consent_id == two);
  CHECK(std::get<AuthorityWithdrawal>(customer.get(customer.client().withdraw(two))).sequence ==
        after + 1);
  customer.event({{"kind", "withdraw_consent"}, {"consent", three}});
  customer.event({{"kind", "withdraw_consent"}, {"consent", one}});
  CHECK(refusal(customer.ask("w-4", two, name)) == AuthorityRefusal::consent_withdrawn);

  const WithdrawalPage first = customer.get(customer.client().withdrawals_after(after, 2));
  REQUIRE(first.withdrawals.size() == 2);
  CHECK(first.withdrawals[0].authority_consent_id == two);
  CHECK(first.withdrawals[0].channel == WithdrawalChannel::institution);
  CHECK(first.withdrawals[1].authority_consent_id == three);
  CHECK(first.withdrawals[1].channel == WithdrawalChannel::own_app);
  const WithdrawalPage second =
      customer.get(customer.client().withdrawals_after(first.next_after, 1000));
  REQUIRE(second.withdrawals.size() == 1);
  CHECK(second.withdrawals[0].authority_consent_id == one);
  CHECK(
      customer.get(customer.client().withdrawals_after(second.next_after, 5)).withdrawals.empty());
}

TEST_CASE("stand-in: faults at the authority's own port", "[standin]") {
  Customer customer(9);
  const CertificateName name = customer.certificate();
  const std::string consent = customer.agree("faults");
  const auto trouble = [&](const Json& fault) {
    Json whole = fault;
    whole["path"] = "/v1/four-information";
    customer.standin().control("fail", whole);
    const auto ending =
        customer.asker().ask(customer.client().ask({"f", consent, name, {InformationItem::name}}));
    customer.standin().control("fail", "DELETE");
    return ending.trouble();
  };
  CHECK(trouble({{"kind", "garbage"}}) == "bad_answer");
  CHECK(trouble({{"kind", "huge"}, {"value", 200'000}}) == "bad_answer");
  CHECK(trouble({{"kind", "status"}, {"value", 400}}) == "rejected");
  CHECK(trouble({{"kind", "delay"}, {"value", 20}}).empty());
  CHECK(trouble({{"kind", "truncate"}, {"value", 100'000}}).empty());  // hangs up after the answer
  CHECK(trouble({{"kind", "delay"}, {"value", 20}}).empty());
}

TEST_CASE("stand-in: workers share the link, each with a client of its own", "[standin]") {
  constexpr int kWorkers = 4;
  constexpr int kQuestions = 50;
  Customer customer(11);
  const CertificateName name = customer.certificate();
  const std::string consent = customer.agree("workers");
  const auto link = std::make_shared<AuthorityLink>(Standin::get().config(), kWorkers);
  CHECK(link->connections_per_client() == 4);
  std::vector<std::thread> workers;
  for (int worker = 0; worker < kWorkers; ++worker) {
    workers.emplace_back([&, worker] {
      boost::asio::io_context context(1);
      AuthorityClient client(context.get_executor(), link);
      for (int i = 0; i < kQuestions; ++i) {
        boost::asio::co_spawn(context,
                              client.ask({"worker-" + std::to_string(worker * kQuestions + i),
                                          consent,
                                          name,
                                          {InformationItem::name}}),
                              [](const std::exception_ptr&, const InformationAnswer&) {});
      }
      context.run();
    });
  }
  for (std::thread& worker : workers) worker.join();
  const auto& asked = link->stats.requests.at(static_cast<std::size_t>(AuthorityRequestKind::ask));
  CHECK(asked.at(static_cast<std::size_t>(AuthorityOutcome::no_newer_information)) ==
        kWorkers * kQuestions);
  CHECK(link->stats.connections_opened <= 16);
  CHECK(link->stats.connections_in_use == 0);
  CHECK(link->stats.connections_idle == 0);  // the clients have ended
}

// Not a test: how much the stand-in and the client can do. Run it by its tag. The stand-in has one
// thread; its own processor time is what counts where other programs want the processor, too.
TEST_CASE("stand-in: questions a second", "[.throughput]") {
  constexpr int kQuestions = 30'000;
  constexpr int kAtOnce = 64;
  Customer customer(10);
  const CertificateName old = customer.certificate();
  const std::string consent = customer.agree("throughput");
  customer.event({{"kind", "move"}, {"reissue_after_seconds", 0}});
  customer.event({{"kind", "reissue"}});
  int next = 0;
  int provided = 0;
  const auto begun = std::chrono::steady_clock::now();
  const double standin_before = customer.standin().processor_seconds();
  const std::clock_t client_before = std::clock();
  const auto stream = [&]() -> boost::asio::awaitable<int> {
    while (next < kQuestions) {
      const InformationQuestion question{
          "t-" + std::to_string(next++), consent, old, {InformationItem::name}};
      const InformationAnswer answer = co_await customer.client().ask(question);
      provided += std::holds_alternative<ProvidedInformation>(answer) ? 1 : 0;
    }
    co_return 0;
  };
  std::vector<std::shared_ptr<Ending<int>>> streams;
  for (int i = 0; i < kAtOnce; ++i) streams.push_back(customer.asker().begin(stream()));
  customer.asker().run();
  CHECK(provided == kQuestions);
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - begun;
  const double standin = customer.standin().processor_seconds() - standin_before;
  const double client = static_cast<double>(std::clock() - client_before) / CLOCKS_PER_SEC;
  std::printf("%.0f questions a second; of its own processor time: stand-in %.0f, client %.0f\n",
              kQuestions / wall.count(), kQuestions / standin, kQuestions / client);
}
