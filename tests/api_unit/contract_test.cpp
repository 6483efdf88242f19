// The contract (openapi.json) and the pages about problems against the program's own tables.
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <set>

#include "server/api/attributes_routes.hpp"
#include "server/api/certificates_routes.hpp"
#include "server/api/changes_routes.hpp"
#include "server/api/consents_routes.hpp"
#include "server/api/documents.hpp"
#include "server/api/problem_body.hpp"
#include "server/api/problem_pages.hpp"
#include "server/api/public_routes.hpp"
#include "server/api/router.hpp"

using namespace server;

namespace {

// "{id}" as the router writes it.
std::string pattern_of(std::string path) {
  for (std::size_t at = 0; (at = path.find('{', at)) != std::string::npos; ++at) {
    path.replace(at, path.find('}', at) - at + 1, "{}");
  }
  return path;
}

std::string upper(std::string text) {
  for (char& c : text) c = static_cast<char>(c - 'a' + 'A');
  return text;
}

std::set<std::string> operations_of_the_contract() {
  std::set<std::string> out;
  const auto contract = nlohmann::json::parse(openapi_document());
  for (const auto& [path, methods] : contract.at("paths").items()) {
    for (const auto& [method, operation] : methods.items()) {
      out.insert(fmt::format("{} {}", upper(method), pattern_of(path)));
    }
  }
  return out;
}

// The routes of all resources, not to be run: what they refer to is not there.
std::vector<Route> routes_of_the_program() {
  const ApiConfig config;
  alignas(Database) static std::byte database[sizeof(Database)];
  alignas(ChangesService) static std::byte changes[sizeof(ChangesService)];
  std::vector<Route> out = public_routes(config, reinterpret_cast<Database&>(database));
  alignas(CertificateStatusService) static std::byte status[sizeof(CertificateStatusService)];
  const auto append = [&out](std::vector<Route> more) {
    for (Route& route : more) out.push_back(std::move(route));
  };
  append(changes_routes(reinterpret_cast<ChangesService&>(changes)));
  append(certificates_routes(reinterpret_cast<CertificateStatusService&>(status)));
  alignas(ConsentService) static std::byte consents[sizeof(ConsentService)];
  append(consents_routes(reinterpret_cast<ConsentService&>(consents)));
  alignas(AttributeService) static std::byte attributes[sizeof(AttributeService)];
  append(attributes_routes(reinterpret_cast<AttributeService&>(attributes)));
  alignas(RecordService) static std::byte records[sizeof(RecordService)];
  append(records_routes(reinterpret_cast<RecordService&>(records)));
  return out;
}

}  // namespace

TEST_CASE("every route is in the contract, and every operation of the contract has a route") {
  std::set<std::string> routes;
  for (const Route& route : routes_of_the_program()) {
    const bool is_new =
        routes.insert(fmt::format("{} {}", method_name(route.method), route.pattern)).second;
    INFO(route.pattern);
    CHECK(is_new);
  }
  CHECK(routes == operations_of_the_contract());
}

TEST_CASE("every kind of problem has its texts in two languages, and its page") {
  for (const ProblemType& type : problem_types()) {
    INFO(type.slug);
    const ProblemPageText& text = problem_page_text(type.kind);
    for (const ProblemText* one : {&text.japanese, &text.english}) {
      CHECK(one->title.size() >= 4);
      CHECK(one->meaning.size() >= 10);
      CHECK(one->cause.size() >= 10);
      CHECK(one->fix.size() >= 10);
    }
    CHECK(text.english.title == type.title);
    CHECK(problem_kind(type.slug) == type.kind);
    const std::string page = problem_page(type.kind, PageLanguage::english, "https://x.example");
    CHECK(page.find(fmt::format("HTTP {}", type.status)) != std::string::npos);
    CHECK(page.find("<script") == std::string::npos);
    CHECK(page.find("lang=\"ja\"") != std::string::npos);
  }
  const auto texts = nlohmann::json::parse(problem_texts_document());
  CHECK(texts.size() == problem_types().size());
  CHECK_FALSE(problem_kind("no-such-problem").has_value());
}

TEST_CASE("a problem is rendered whole, and not-found is the same whatever is said about it") {
  const auto json =
      problem_json(Problem(ProblemKind::invalid_request, "why", {{"/a", "missing", "is required"}}),
                   "https://x.example", "id");
  CHECK(json.dump() ==
        R"({"type":"https://x.example/problems/invalid-request","title":"The request is not )"
        R"(well-formed","status":400,"detail":"why","instance":"urn:uuid:id","code":)"
        R"("invalid-request","retryable":false,"action":"fix_request","errors":[{"pointer":"/a",)"
        R"("code":"missing","detail":"is required"}]})");
  CHECK(problem_json(Problem(ProblemKind::not_found, "consent of another"), "u", "1") ==
        problem_json(Problem(ProblemKind::not_found), "u", "2"));
}
