// The contract (openapi.json) and the pages about problems against the program's own tables.
#include <fmt/format.h>

#include <array>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <set>

#include "server/api/attributes_routes.hpp"
#include "server/api/certificates_routes.hpp"
#include "server/api/changes_routes.hpp"
#include "server/api/consents_routes.hpp"
#include "server/api/documents.hpp"
#include "server/api/problem_pages.hpp"
#include "server/api/public_routes.hpp"
#include "server/api/router.hpp"
#include "server/platform/problem_body.hpp"

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

nlohmann::json resolve(const nlohmann::json& contract, const nlohmann::json& part) {
  if (!part.contains("$ref")) return part;
  return contract.at(nlohmann::json::json_pointer(part.at("$ref").get<std::string>().substr(1)));
}

// What a service is where nothing is asked of it.
template <class Service>
Service& nothing() {
  alignas(Service) static std::byte place[sizeof(Service)];
  return reinterpret_cast<Service&>(place);
}

// The routes of all resources, not to be run.
std::vector<Route> routes_of_the_program() {
  static const ApiConfig config;
  std::vector<Route> out = public_routes(config, nothing<Database>());
  const auto append = [&out](std::vector<Route> more) {
    for (Route& route : more) out.push_back(std::move(route));
  };
  append(changes_routes(nothing<ChangesService>()));
  append(certificates_routes(nothing<CertificateStatusService>()));
  append(consents_routes(nothing<ConsentService>()));
  append(attributes_routes(nothing<AttributeService>()));
  append(records_routes(nothing<RecordService>()));
  return out;
}

// What both say of an operation, as one line.
struct Terms {
  std::string role;
  std::string key;
  bool has_body = false;
  std::set<std::string> query;

  [[nodiscard]] std::string text() const {
    return fmt::format("{}, key {}, {}, query {}", role, key, has_body ? "body" : "no body",
                       fmt::join(query, " "));
  }
};

std::set<std::string> operations_of_the_contract() {
  std::set<std::string> out;
  const auto contract = nlohmann::json::parse(openapi_document());
  for (const auto& [path, methods] : contract.at("paths").items()) {
    for (const auto& [method, operation] : methods.items()) {
      Terms terms{operation.at("x-role"), "none", operation.contains("requestBody"), {}};
      for (const auto& one : operation.at("parameters")) {
        const auto parameter = resolve(contract, one);
        if (parameter.at("in") == "query") terms.query.insert(parameter.at("name"));
        if (parameter.at("name") != "Idempotency-Key") continue;
        terms.key = parameter.at("required") == true ? "required" : "optional";
      }
      out.insert(fmt::format("{} {}: {}", upper(method), pattern_of(path), terms.text()));
    }
  }
  return out;
}

std::set<std::string> operations_of_the_program() {
  constexpr std::array kRoles = {"everybody", "any", "poller", "query", "consent-admin"};
  constexpr std::array kKeys = {"none", "optional", "required"};
  std::set<std::string> out;
  for (const Route& route : routes_of_the_program()) {
    const Terms terms{kRoles[static_cast<std::size_t>(route.access)],
                      kKeys[static_cast<std::size_t>(route.key)],
                      route.body != Route::Body::none,
                      {route.query.begin(), route.query.end()}};
    out.insert(fmt::format("{} {}: {}", method_name(route.method), route.pattern, terms.text()));
  }
  return out;
}

}  // namespace

TEST_CASE("contract and routes agree: addresses, methods, roles, keys, bodies, parameters") {
  CHECK(operations_of_the_program() == operations_of_the_contract());
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
    CHECK(page.find('`') == std::string::npos);
    CHECK((page.find("sending the same request again does not help") == std::string::npos) ==
          (type.retryable == Retryable::yes || type.kind == ProblemKind::internal_error));
  }
  const std::string page =
      problem_page(ProblemKind::consent_superseded, PageLanguage::english, "https://x.example");
  CHECK(page.find("Use the consent that <code>replaced_by</code> of") != std::string::npos);
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
