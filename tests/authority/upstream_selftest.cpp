// Tests of the upstream answers: every state, the ten years, withdrawals in their order.
#include <catch2/catch.hpp>

#include "authority/civil_time.hpp"
#include "authority/consents.hpp"
#include "authority/country_fixture.hpp"
#include "authority/upstream.hpp"

namespace authority {
namespace {

using nlohmann::json;

// The key hash by another way than Upstream's: X509_pubkey_digest hashes the same octets.
std::string issuer_key_hash(const std::string& name, const EVP_MD* digest) {
  for (const AuthorityDescription& authority : test_authorities()) {
    if (authority.name != name) continue;
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    X509_pubkey_digest(authority.identity.certificate.get(), digest, hash, &size);
    std::string text;
    char digits[3];
    for (unsigned i = 0; i < size; ++i) {
      std::snprintf(digits, sizeof digits, "%02X", hash[i]);
      text += digits;
    }
    return text;
  }
  return "";
}

struct World {
  std::unique_ptr<Country> country = make_country(30);
  Upstream upstream{*country};

  json certificate(std::uint32_t person, const char* seat, const EVP_MD* digest = EVP_sha256()) {
    const json current = country->person(person)["current"][seat];
    return {{"issuer_key_hash", issuer_key_hash(current["authority"], digest)},
            {"serial", current["serial"]}};
  }

  json consent_request(const json& certificate,
                       const json& items = {"name", "address", "birthdate", "sex"}) {
    return {{"institution", "bank"},
            {"service", "accounts"},
            {"certificate", certificate},
            {"items", items},
            {"received_at", rfc3339(country->now())}};
  }

  std::string agree(std::uint32_t person, const json& items = {"name", "address"}) {
    const json request = consent_request(certificate(person, "card signing"), items);
    const auto response = upstream.answer("POST", "/v1/consents", request);
    REQUIRE(response.status == 201);
    return response.body["consent"];
  }

  Upstream::Response ask(const std::string& consent, const json& certificate,
                         const json& items = {"name", "address"}) {
    return upstream.answer("POST", "/v1/four-information",
                           {{"consent", consent}, {"certificate", certificate}, {"items", items}});
  }
};

void check_state(const Upstream::Response& response, int status, const char* state) {
  CHECK(response.status == status);
  CHECK(response.body.value("state", "") == state);
}

TEST_CASE("upstream: the story of a move", "[upstream]") {
  World world;
  const json old = world.certificate(1, "card signing");
  const std::string consent = world.agree(1);
  check_state(world.ask(consent, old), 200, "no_newer_information");

  world.country->event({{"person", 1},
                        {"kind", "move"},
                        {"address", "東京都清川市本町１丁目１番１号"},
                        {"reissue_after_seconds", 86400}});
  check_state(world.ask(consent, old), 200, "awaiting_certificate");
  world.country->advance(world.country->now() + 86400);

  const auto response = world.ask(consent, old);
  check_state(response, 200, "provided");
  CHECK(response.body["billable_yen"] == 20);
  const json& items = response.body["items"];
  CHECK(items["address"]["text"] == "東京都清川市本町１丁目１番１号");
  CHECK(items["address"]["map"] == "000000000000000");
  CHECK(items["name"]["map"] == "0100");
  CHECK_FALSE(items.contains("birthdate"));
  CHECK_FALSE(items.contains("sex"));

  // The new number is the new card certificate, and asking with it gives nothing more.
  const json current = world.country->person(1)["current"]["card signing"];
  CHECK(response.body["certificate"]["serial"] == current["serial"]);
  CHECK(response.body["certificate"]["medium"] == "card");
  check_state(world.ask(consent, response.body["certificate"]), 200, "no_newer_information");
  CHECK(world.ask(consent, old).body["state"] == "provided");  // whoever asks twice pays twice
}

TEST_CASE("upstream: a held certificate is no news, nor is a phone sold", "[upstream]") {
  World world;
  const std::string consent = world.agree(2);
  const json phone = world.certificate(2, "phone signing", EVP_sha1());
  world.country->event({{"person", 2}, {"kind", "phone_lost"}});
  check_state(world.ask(consent, phone), 200, "no_newer_information");
  world.country->event({{"person", 2}, {"kind", "phone_given_up"}});
  check_state(world.ask(consent, phone), 200, "no_newer_information");  // the card says the same
}

TEST_CASE("upstream: nobody is told of a death", "[upstream]") {
  World world;
  const std::string consent = world.agree(4);
  const json old = world.certificate(4, "card signing");
  world.country->event({{"person", 4}, {"kind", "death"}});
  const auto response = world.ask(consent, old);
  CHECK(response.body == json{{"state", "awaiting_certificate"}, {"billable_yen", 0}});
}

TEST_CASE("upstream: consents that do not cover the question", "[upstream]") {
  World world;
  const json old = world.certificate(5, "card signing");
  const std::string consent = world.agree(5);
  check_state(world.ask("consent-999999", old), 403, "consent_missing");
  check_state(world.ask(world.agree(6), old), 403, "consent_missing");  // somebody else's
  check_state(world.ask(consent, old, {"name", "sex"}), 403, "item_not_consented");
  json unknown = old;
  unknown["serial"] = "7F";
  check_state(world.ask(consent, unknown), 404, "not_found");
  check_state(world.ask(consent, world.certificate(5, "card authentication")), 404, "not_found");

  const auto path = "/v1/consents/" + consent + "/withdrawal";
  CHECK(world.upstream.answer("POST", path, nullptr).status == 200);
  check_state(world.ask(consent, old), 403, "consent_withdrawn");
}

TEST_CASE("upstream: a consent ends with the last second of the tenth year", "[upstream]") {
  World world;
  const std::string consent = world.agree(3);
  const json old = world.certificate(3, "card signing");
  // From 2026-04-01 09:00 in Japan: until 2036-04-01 23:59:59 there.
  world.country->advance(parse_instant("2036-04-01T23:59:59+09:00"));
  CHECK(world.ask(consent, old).status == 200);
  world.country->advance(parse_instant("2036-04-02T00:00:00+09:00"));
  check_state(world.ask(consent, old), 403, "consent_expired");
}

TEST_CASE("upstream: the term is counted as the guideline's example does", "[upstream]") {
  ConsentRequest request;
  request.received_at = parse_instant("2023-05-18T10:00:00+09:00");
  request.reflected_at = parse_instant("2023-05-19T00:10:00+09:00");
  Consents by_receipt(TermRule::from_received);
  const Consent& received = by_receipt.add(request);
  CHECK(received.valid_from == parse_instant("2023-05-19T00:00:00+09:00"));
  CHECK(received.valid_until == parse_instant("2033-05-18T23:59:59+09:00"));
  Consents by_reflection(TermRule::from_reflected);
  CHECK(by_reflection.add(request).valid_until == parse_instant("2033-05-19T23:59:59+09:00"));
  request.received_at = parse_instant("2024-02-29T10:00:00+09:00");
  CHECK(by_receipt.add(request).valid_until == parse_instant("2034-02-28T23:59:59+09:00"));
  request.received_at = parse_instant("2024-02-28T10:00:00+09:00");
  CHECK(by_receipt.add(request).valid_until == parse_instant("2034-02-28T23:59:59+09:00"));
  request.received_at = parse_instant("2026-02-28T10:00:00+09:00");
  CHECK(by_receipt.add(request).valid_until == parse_instant("2036-02-29T23:59:59+09:00"));
}

TEST_CASE("upstream: a consent needs a certificate that was good when it was received",
          "[upstream]") {
  World world;
  const json old = world.certificate(7, "card signing");
  json request = world.consent_request(old);
  world.country->event({{"person", 7}, {"kind", "move"}, {"reissue_after_seconds", 600}});
  // Received before the move, reflected after it.
  CHECK(world.upstream.answer("POST", "/v1/consents", request).status == 201);
  request["received_at"] = rfc3339(world.country->now());
  check_state(world.upstream.answer("POST", "/v1/consents", request), 403, "certificate_not_valid");
  request["received_at"] = rfc3339(world.country->now() + 1);
  CHECK(world.upstream.answer("POST", "/v1/consents", request).status == 400);
}

TEST_CASE("upstream: withdrawals are polled in their order, whoever made them", "[upstream]") {
  World world;
  const std::string one = world.agree(1);
  const std::string two = world.agree(2);
  const std::string three = world.agree(2);
  const auto poll = [&](const std::string& query) {
    return world.upstream.answer("GET", "/v1/withdrawals" + query, nullptr).body;
  };
  CHECK(poll("")["withdrawals"].empty());
  CHECK(poll("")["next_after"] == 0);
  const json withdrawn = world.country->event({{"person", 2}, {"kind", "withdraw_consent"}});
  CHECK(withdrawn["withdrawn"] == json{two, three});
  CHECK(world.upstream.answer("POST", "/v1/consents/" + one + "/withdrawal", nullptr).status ==
        200);
  const json again = world.upstream.answer("POST", "/v1/consents/" + two + "/withdrawal", {}).body;
  CHECK(again["withdrawal"]["sequence"] == 1);  // it was withdrawn before: nothing new

  const json all = poll("?after=0");
  REQUIRE(all["withdrawals"].size() == 3);
  CHECK(all["withdrawals"][0]["consent"] == two);
  CHECK(all["withdrawals"][0]["channel"] == "own_app");
  CHECK(all["withdrawals"][2]["consent"] == one);
  CHECK(all["withdrawals"][2]["channel"] == "institution");
  CHECK(all["next_after"] == 3);
  const json part = poll("?after=1&limit=1");
  REQUIRE(part["withdrawals"].size() == 1);
  CHECK(part["withdrawals"][0]["consent"] == three);
  CHECK(part["next_after"] == 2);
  CHECK(poll("?after=3")["withdrawals"].empty());
  CHECK(poll("?after=99")["next_after"] == 99);
}

TEST_CASE("upstream: what makes no sense is refused and never throws", "[upstream]") {
  World world;
  const auto status = [&](const char* method, const char* target, const json& body) {
    return world.upstream.answer(method, target, body).status;
  };
  CHECK(status("GET", "/v1/four-information", nullptr) == 405);
  CHECK(status("POST", "/v1/nothing", nullptr) == 404);
  CHECK(status("POST", "/v1/four-information", nullptr) == 400);
  CHECK(status("POST", "/v1/four-information", json::array()) == 400);
  CHECK(status("GET", "/v1/withdrawals?after=-1", nullptr) == 400);
  CHECK(status("GET", "/v1/withdrawals?after=", nullptr) == 400);
  CHECK(status("GET", "/v1/consents/consent-000001", nullptr) == 404);
  CHECK(status("POST", "/v1/consents//withdrawal", nullptr) == 404);
  const json good = world.certificate(1, "card signing");
  for (const json& items : {json::array(), json{"name", "name"}, json{"phone"}, json(7)}) {
    INFO(items);
    CHECK(world.ask("consent-000001", good, items).status == 400);
  }
  CHECK(world.ask("consent-000001", {{"issuer_key_hash", "00"}, {"serial", "XYZ"}}).status == 400);
  CHECK(world.ask("consent-000001", {{"issuer_key_hash", "00"}, {"serial", "01"}}).status == 404);
}

}  // namespace
}  // namespace authority
