// authority_replies_test.cpp: what is said to the authority, and which of its answers are believed.
#include <catch2/catch.hpp>

#include <nlohmann/json.hpp>

#include "server/upstream/authority_protocol.hpp"

using namespace server;
using Json = nlohmann::json;

namespace {

constexpr const char* kHash = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

AuthorityReply reply(unsigned status, std::string_view body,
                     const char* media_type = "application/json") {
  return {status, media_type, WipedString(body)};
}

CertificateName name_of(std::vector<std::uint8_t> serial) {
  CertificateName name;
  name.issuer_key_hash.fill(0xAB);
  name.serial = Redacted<std::vector<std::uint8_t>>(std::move(serial));
  return name;
}

const std::vector<InformationItem> kAll{InformationItem::name, InformationItem::address,
                                        InformationItem::birthdate, InformationItem::sex};

Json provided() {
  return {{"state", "provided"},
          {"billable_yen", 20},
          {"answered_at", "2026-04-03T00:00:01Z"},
          {"certificate_issued_at", "2026-04-02T00:00:00Z"},
          {"certificate", {{"issuer_key_hash", kHash}, {"serial", "80C001"}, {"medium", "card"}}},
          {"items",
           {{"name", {{"text", "渡辺　浩"}, {"map", "0100"}}},
            {"address", {{"text", "東京都"}, {"map", "000"}}},
            {"birthdate", "319500700"},
            {"sex", "3"}}}};
}

// Why an answer to a question is not believed; empty if it is.
std::string fault(unsigned status, const std::string& body,
                  const char* media_type = "application/json") {
  try {
    static_cast<void>(read_information(reply(status, body, media_type), kAll));
    return {};
  } catch (const ReplyFault& failure) {
    return std::string(to_string(failure.trouble())) + ": " + failure.what();
  }
}

std::string fault_without(const Json::json_pointer& member, const Json& instead = nullptr) {
  Json changed = provided();
  if (instead.is_null()) {
    changed[member.parent_pointer()].erase(member.back());
  } else {
    changed[member] = instead;
  }
  return fault(200, changed.dump());
}

}  // namespace

TEST_CASE("authority: a question is JSON that any parser reads", "[authority]") {
  InformationQuestion question{"dsc_1",
                               "a \"consent\"\\\n",
                               name_of({0x00, 0x80, 0xC0, 0x01}),
                               {InformationItem::name, InformationItem::sex}};
  const AuthorityRequest request = information_request(question);
  CHECK(request.target == "/v1/four-information");
  const Json body = Json::parse(std::string(request.body));
  CHECK(body == Json{{"request_id", "dsc_1"},
                     {"consent", "a \"consent\"\\\n"},
                     {"certificate",
                      {{"issuer_key_hash",
                        "abababababababababababababababababababababababababababababababab"},
                       {"serial", "80c001"}}},
                     {"items", {"name", "sex"}}});
  CHECK_THROWS_AS(information_request({"x", "y", CertificateName{}, {}}), std::invalid_argument);
}

TEST_CASE("authority: an id stays one segment of the path", "[authority]") {
  CHECK(withdrawal_request("consent-000001").target == "/v1/consents/consent-000001/withdrawal");
  CHECK(withdrawal_request("../x?y#z/").target == "/v1/consents/%2E%2E%2Fx%3Fy%23z%2F/withdrawal");
  CHECK(withdrawals_request(7, 100).target == "/v1/withdrawals?after=7&limit=100");
}

TEST_CASE("authority: what it provides is read as it stands", "[authority]") {
  const auto answer = read_information(reply(200, provided().dump()), kAll);
  const auto& got = std::get<ProvidedInformation>(answer);
  CHECK(got.items.name->text.reveal() == "渡辺　浩");
  CHECK(got.items.name->map.reveal() == "0100");
  CHECK(got.items.address->text.reveal() == "東京都");
  CHECK(got.items.birthdate->reveal() == "319500700");
  CHECK(got.items.sex->reveal() == "3");
  CHECK(got.billable_yen == 20);
  CHECK(pki::to_string(got.answered_at) == "2026-04-03T00:00:01Z");
  CHECK(pki::to_string(got.newer.issued_at) == "2026-04-02T00:00:00Z");
  CHECK(got.newer.certificate.issuer_key_hash[1] == 0x11);
  CHECK(got.newer.certificate.serial.reveal() == std::vector<std::uint8_t>{0, 0x80, 0xC0, 0x01});
}

TEST_CASE("authority: items that were not asked for are not even read", "[authority]") {
  Json body = provided();
  body["items"]["sex"] = 7;  // wrong, but nobody asked
  const auto answer = read_information(reply(200, body.dump()), {InformationItem::address});
  const auto& items = std::get<ProvidedInformation>(answer).items;
  CHECK(items.address);
  CHECK_FALSE((items.name || items.birthdate || items.sex));
  CHECK_THROWS_AS(read_information(reply(200, body.dump()), {}), ReplyFault);
  body["items"].erase("name");
  const auto rest =
      read_information(reply(200, body.dump()), {InformationItem::name, InformationItem::address});
  CHECK_FALSE(std::get<ProvidedInformation>(rest).items.name);
}

TEST_CASE("authority: members that nobody knows are ignored", "[authority]") {
  Json body = provided();
  body["since_version_9"] = {{"name", 1}};
  CHECK(fault(200, body.dump()).empty());
  CHECK(fault(200, body.dump(), "Application/JSON; charset=utf-8").empty());
}

TEST_CASE("authority: states and refusals", "[authority]") {
  const auto state = [](unsigned status, const char* name) {
    return read_information(reply(status, Json{{"state", name}, {"billable_yen", 0}}.dump()), kAll);
  };
  CHECK(std::holds_alternative<NoNewerInformation>(state(200, "no_newer_information")));
  CHECK(std::holds_alternative<AwaitingCertificate>(state(200, "awaiting_certificate")));
  CHECK(std::get<AuthorityRefusal>(state(403, "consent_missing")) ==
        AuthorityRefusal::consent_missing);
  CHECK(std::get<AuthorityRefusal>(state(403, "consent_withdrawn")) ==
        AuthorityRefusal::consent_withdrawn);
  CHECK(std::get<AuthorityRefusal>(state(403, "consent_expired")) ==
        AuthorityRefusal::consent_expired);
  CHECK(std::get<AuthorityRefusal>(state(403, "item_not_consented")) ==
        AuthorityRefusal::item_not_consented);
  CHECK(std::get<AuthorityRefusal>(state(404, "not_found")) == AuthorityRefusal::not_found);
  CHECK(std::get<AuthorityRefusal>(
            read_consent(reply(403, R"({"state":"certificate_not_valid"})"))) ==
        AuthorityRefusal::certificate_not_valid);
  CHECK(std::get<AuthorityRefusal>(read_withdrawal(reply(404, R"({"state":"consent_missing"})"))) ==
        AuthorityRefusal::consent_missing);
  // An error never comes with 200, nor a success with another status.
  CHECK_THROWS_AS(state(200, "consent_withdrawn"), ReplyFault);
  CHECK_THROWS_AS(state(403, "provided"), ReplyFault);
  CHECK_THROWS_AS(state(404, "consent_expired"), ReplyFault);
  CHECK_THROWS_AS(state(200, "surprise"), ReplyFault);
}

TEST_CASE("authority: an answer that is not as the protocol says is none", "[authority]") {
  using Pointer = Json::json_pointer;
  REQUIRE(fault(200, provided().dump()).empty());
  for (const char* const member :
       {"/state", "/items", "/certificate", "/certificate/serial", "/certificate/issuer_key_hash",
        "/certificate_issued_at", "/answered_at", "/billable_yen", "/items/name/text",
        "/items/address/map"}) {
    INFO(member);
    const std::string last = Pointer(member).back();
    CHECK_THAT(fault_without(Pointer(member)),
               Catch::StartsWith("bad_answer: ") && Catch::Contains(last));
    CHECK_THAT(fault_without(Pointer(member), Json::array({1})),
               Catch::StartsWith("bad_answer: ") && Catch::Contains(last));
  }
  const std::vector<std::pair<const char*, Json>> kWrong{
      {"/billable_yen", -20},
      {"/billable_yen", 20.5},
      {"/billable_yen", 1'000'001},
      {"/certificate/serial", "XYZ"},
      {"/certificate/serial", ""},
      {"/certificate/serial", std::string(41, '1')},
      {"/certificate/serial", "-01"},
      {"/certificate/issuer_key_hash", "0011"},
      {"/certificate_issued_at", "2026-04-02"},
      {"/answered_at", "2026-04-31T00:00:00Z"},
      {"/answered_at", "2026-04-03T00:00:01+09:00"},
      {"/items/sex", ""},
      {"/items/name/text", std::string("a\0b", 3)},
      {"/items/name/text", "渡辺\n浩"},
      {"/items/address/text", "東京都\x7F"},
      {"/items/address/text", "東京\u0085都"},
      {"/items/birthdate", "3195\t0700"},
      {"/items/name/map", "01x0"},
      {"/items/address/map", "０００"},
      {"/items/birthdate", std::string(5000, '1')},
  };
  for (const auto& [member, value] : kWrong) {
    INFO(member << " = " << value);
    CHECK_THAT(fault_without(Pointer(member), value), Catch::StartsWith("bad_answer: "));
  }
}

TEST_CASE("authority: what is no JSON, or two things at once, is refused", "[authority]") {
  for (const char* const body :
       {"", "{", "[]", "null", "{\"state\":\"no_newer_information\"} x", "{\"state\":\"\xff\"}",
        "{\"state\":\"no_newer_information\",}", "{state:1}"}) {
    INFO(body);
    CHECK_THAT(fault(200, body), Catch::StartsWith("bad_answer: "));
  }
  CHECK_THAT(fault(200, R"({"state":"no_newer_information","x":{"a":1,"b":{"a":1},"a":2}})"),
             Catch::Contains("twice"));
  CHECK_THAT(fault(200, R"({"state":"awaiting_certificate","state":"no_newer_information"})"),
             Catch::Contains("twice"));
  CHECK(fault(200, R"({"state":"no_newer_information","x":[{"a":1},{"a":2}]})").empty());
  const std::string deep =
      R"({"state":"no_newer_information","x":)" + std::string(40, '[') + std::string(40, ']') + "}";
  CHECK_THAT(fault(200, deep), Catch::Contains("deep"));
  CHECK_THAT(fault(200, provided().dump(), "text/html"), Catch::Contains("Content-Type"));
  CHECK_THAT(fault(200, provided().dump(), ""), Catch::Contains("Content-Type"));
}

TEST_CASE("authority: a rejection names its reason if that is a plain word", "[authority]") {
  CHECK_THAT(fault(400, R"({"error":"malformed_request","detail":"渡辺"})"),
             Catch::StartsWith("rejected: ") && Catch::Contains("400 (malformed_request)") &&
                 !Catch::Contains("渡辺"));
  CHECK_THAT(fault(409, R"({"error":"request_id_conflict"})"), Catch::Contains("409"));
  CHECK_THAT(fault(404, R"({"error":"no_such_path"})"), Catch::StartsWith("rejected: "));
  for (const auto& [status, body] :
       {std::pair{400, R"({"error":"渡辺　浩"})"}, {302, ""}, {418, "{"}}) {
    CHECK_THAT(fault(static_cast<unsigned>(status), body),
               Catch::StartsWith("rejected: ") && Catch::Contains("no reason given"));
  }
  CHECK_THAT(fault(404, "渡辺", "text/html"), Catch::Contains("404 (no reason given)"));
  CHECK_THAT(fault(404, "渡辺"), Catch::StartsWith("bad_answer: "));
}

TEST_CASE("authority: withdrawals without gaps, or none", "[authority]") {
  const auto entry = [](int sequence) {
    return Json{{"sequence", sequence},
                {"consent", "consent-000007"},
                {"at", "2026-04-03T00:00:01Z"},
                {"channel", "own_app"}};
  };
  const auto page = [&](const std::vector<int>& sequences, int next) {
    Json list = Json::array();
    for (const int sequence : sequences) list.push_back(entry(sequence));
    const Json body{{"withdrawals", list}, {"next_after", next}};
    return read_withdrawals(reply(200, body.dump()), 4, 3);
  };
  const WithdrawalPage two = page({5, 6}, 6);
  CHECK(two.next_after == 6);
  REQUIRE(two.withdrawals.size() == 2);
  CHECK(two.withdrawals[1].sequence == 6);
  CHECK(two.withdrawals[1].authority_consent_id == "consent-000007");
  CHECK(two.withdrawals[1].channel == WithdrawalChannel::own_app);
  CHECK(page({}, 4).withdrawals.empty());
  CHECK_THROWS_WITH(page({6}, 6), Catch::Contains("6 where 5 is due"));
  CHECK_THROWS_AS(page({5, 5}, 5), ReplyFault);
  CHECK_THROWS_AS(page({4}, 4), ReplyFault);
  CHECK_THROWS_AS(page({5}, 6), ReplyFault);
  CHECK_THROWS_AS(page({}, 5), ReplyFault);
  CHECK_THROWS_AS(page({5, 6, 7, 8}, 8), ReplyFault);  // more than the three that were asked for
}

TEST_CASE("authority: a consent needs all of its times", "[authority]") {
  Json body{{"consent", "consent-000001"},
            {"received_at", "2026-04-01T01:00:00Z"},
            {"reflected_at", "2026-04-01T02:00:00Z"},
            {"valid_from", "2026-04-01T15:00:00Z"},
            {"valid_until", "2036-04-01T14:59:59Z"}};
  const auto consent = std::get<RegisteredConsent>(read_consent(reply(201, body.dump())));
  CHECK(consent.authority_consent_id == "consent-000001");
  CHECK(pki::to_string(consent.valid_until) == "2036-04-01T14:59:59Z");
  CHECK_THROWS_AS(read_consent(reply(200, body.dump())), ReplyFault);
  body.erase("valid_until");
  CHECK_THROWS_WITH(read_consent(reply(201, body.dump())), Catch::Contains("valid_until"));
}

TEST_CASE("authority: a newer certificate comes without data", "[authority]") {
  Json body = provided();
  body["state"] = "newer_certificate";
  const auto newer = std::get<NewerCertificate>(read_certificate(reply(200, body.dump())));
  CHECK(newer.certificate.serial.reveal().size() == 4);
  CHECK_THROWS_AS(read_certificate(reply(200, provided().dump())), ReplyFault);
  CHECK_THROWS_AS(read_information(reply(200, body.dump()), kAll), ReplyFault);
}
