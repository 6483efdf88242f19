#include "server/api/attributes_routes.hpp"

#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

#include "server/api/api_request.hpp"
#include "server/api/consents_routes.hpp"
#include "server/api/members.hpp"
#include "server/log.hpp"
#include "server/platform/match.hpp"
#include "server/platform/problem.hpp"
#include "server/platform/problem_body.hpp"

namespace server {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kBatchMax = 50;
constexpr std::size_t kBatchAtOnce = 8;

// The members that a query has wherever it stands.
void read_query(Members& from, AttributeQuery& out) {
  out.attributes = from.texts("attributes", {.max = 32, .max_items = 4});
  for (const std::string& attribute : out.attributes) {
    if (find_attribute(attribute) == nullptr) {
      from.fault("attributes", "unknown_attribute", "one of name, address, birthdate, gender");
    }
  }
  out.purpose = from.choice("purpose", {"liveness_check", "signature_verification"});
  static_cast<void>(from.optional_integer("subject_version", 1, INT32_MAX));
  if (from.flag("force")) out.ask = AttributeQuery::Ask::always;
}

std::string token_of(const ApiRequest& request) {
  auto token = bearer_token(request.authorization);
  if (!token) throw Problem(ProblemKind::token_missing);
  return *std::move(token);
}

AttributeQuery query_of(const ApiRequest& request) {
  AttributeQuery out;
  out.asker = asker_of(request);
  out.idempotent = idempotent_of(request);
  out.now = request.now;
  return out;
}

ApiResponse response_of(Answer answer) {
  ApiResponse response;
  response.status = answer.status;
  response.body = std::move(answer.body);
  return response;
}

asio::awaitable<ApiResponse> post_query(AttributeService& service, ApiRequest& request) {
  AttributeQuery query = query_of(request);
  query.token = token_of(request);
  Members body(request.body);
  read_query(body, query);
  body.finish();
  co_return response_of(co_await service.query(std::move(query)));
}

// All items of one request, several at a time, each with an end of its own.
struct Batch {
  AttributeService& service;
  std::string base_url;
  std::vector<AttributeQuery> queries;
  std::vector<nlohmann::ordered_json> results;
  std::size_t next = 0;
  std::size_t running = 0;
  asio::steady_timer all_done;
  bool has_wrong_guess = false;  // a token that is none
};

nlohmann::ordered_json problem_of(Batch& batch, std::exception_ptr error) {
  try {
    std::rethrow_exception(std::move(error));
  } catch (const Problem& problem) {
    if (problem.kind() == ProblemKind::token_invalid) batch.has_wrong_guess = true;
    return {{"problem", problem_json(problem, batch.base_url, {})}};
  } catch (const DatabaseUnavailable&) {
    return {
        {"problem", problem_json(Problem(ProblemKind::database_unavailable), batch.base_url, {})}};
  } catch (const Conflict&) {
    return {{"problem", problem_json(Problem(ProblemKind::overloaded), batch.base_url, {})}};
  } catch (const std::exception& trouble) {
    log(Level::error, "batch_item_failed", {{"error", trouble.what()}});
    return {{"problem", problem_json(Problem(ProblemKind::internal_error), batch.base_url, {})}};
  }
}

asio::awaitable<void> answer_some(std::shared_ptr<Batch> batch) {
  while (batch->next < batch->queries.size()) {
    const std::size_t place = batch->next++;
    std::exception_ptr error;
    try {
      Answer answer = co_await batch->service.query(batch->queries[place]);
      batch->results[place] = std::move(answer.body);
    } catch (...) {
      error = std::current_exception();
    }
    if (error) batch->results[place] = problem_of(*batch, std::move(error));
  }
}

asio::awaitable<ApiResponse> post_batch(AttributeService& service, ApiRequest& request) {
  Members body(request.body);
  std::vector<AttributeQuery> queries;
  for (Members& item : body.objects("items", kBatchMax)) {
    AttributeQuery& query = queries.emplace_back(query_of(request));
    query.token = item.text("token", {.max = 4096});
    read_query(item, query);
    // A client's key has no space, so none of its own can be this one.
    query.idempotent.key = fmt::format("{} {}", request.idempotency_key, queries.size());
  }
  body.finish();
  co_await service.bind_key(request.caller.institution_id, idempotent_of(request), request.now);
  const auto executor = co_await asio::this_coro::executor;
  const auto batch = std::make_shared<Batch>(Batch{
      service, service.base_url(), std::move(queries), {}, 0, 0, asio::steady_timer(executor)});
  batch->results.resize(batch->queries.size());
  batch->running = std::min(kBatchAtOnce, batch->queries.size());
  batch->all_done.expires_at(asio::steady_timer::time_point::max());
  for (std::size_t i = 0, count = batch->running; i < count; ++i) {
    asio::co_spawn(executor, answer_some(batch), [batch](const std::exception_ptr&) {
      if (--batch->running == 0) batch->all_done.cancel();
    });
  }
  boost::system::error_code ended;
  if (batch->running != 0) {
    co_await batch->all_done.async_wait(asio::redirect_error(asio::use_awaitable, ended));
  }
  ApiResponse response;
  response.has_wrong_guess = batch->has_wrong_guess;
  response.body = {{"results", std::move(batch->results)}};
  co_return response;
}

asio::awaitable<ApiResponse> post_match(AttributeService& service, ApiRequest& request) {
  AttributeQuery query = query_of(request);
  query.token = token_of(request);
  Members body(request.body);
  static_cast<void>(body.optional_integer("subject_version", 1, INT32_MAX));
  static_cast<void>(body.optional_choice("normalization", {kNormalization}));
  query.purpose = body.optional_choice("purpose", {"liveness_check", "signature_verification"})
                      .value_or("liveness_check");
  MatchValues values;
  Members given = body.object("values");
  const auto take = [](std::optional<std::string> text) {
    std::optional<Redacted<std::string>> out;
    if (text) out.emplace(std::move(*text));
    return out;
  };
  values.name = take(given.optional_text("name"));
  if (auto address = given.optional_object("address")) {
    values.address = take(address->text("formatted", {.max = 512}));
  }
  values.birthdate = take(given.optional_text("birthdate", {.max = 10, .min = 10}));
  if (values.birthdate && !is_day_of_register(values.birthdate->reveal())) {
    throw Problem(ProblemKind::value_out_of_range, {},
                  {{"/values/birthdate", "out_of_range", "a day, as 1980-02-29"}});
  }
  values.gender = take(given.optional_choice("gender", {"male", "female", "unknown"}));
  body.finish();
  query.attributes = values.names();
  if (query.attributes.empty()) {
    throw Problem(ProblemKind::invalid_request, {}, {{"/values", "missing", "nothing to compare"}});
  }
  const AttributeService::Compare compare = [values](const FourInformation& items) {
    return compare_values(values, items);
  };
  Answer answer = co_await service.match(std::move(query), compare);
  if (answer.body.contains("results")) {
    answer.body["normalization"] = kNormalization;
    for (const auto& one : answer.body["not_provided"]) {
      if (one["reason"] == "not_consented") {
        answer.body["results"][one["attribute"].get<std::string>()] = "not_consented";
      }
    }
    answer.body.erase("not_provided");
  }
  co_return response_of(std::move(answer));
}

asio::awaitable<ApiResponse> get_disclosures(RecordService& service, ApiRequest& request) {
  DisclosureQuestion question;
  question.consent_id = parameter_of(request, "consent_id");
  question.from = parameter_of(request, "from");
  question.to = parameter_of(request, "to");
  question.limit = limit_of(request);
  question.page_token = parameter_of(request, "page_token");
  ApiResponse response;
  response.body = co_await service.disclosures(request.caller.institution_id, question);
  co_return response;
}

asio::awaitable<ApiResponse> get_usage(RecordService& service, ApiRequest& request) {
  ApiResponse response;
  response.body = co_await service.usage(
      request.caller.institution_id, parameter_of(request, "from"), parameter_of(request, "to"));
  co_return response;
}

}  // namespace

std::vector<Route> attributes_routes(AttributeService& service) {
  std::vector<Route> out;
  const auto add = [&](const char* pattern, Route::Body body,
                       asio::awaitable<ApiResponse> (*answer)(AttributeService&, ApiRequest&)) {
    Route& route = out.emplace_back();
    route.method = Method::post;
    route.pattern = pattern;
    route.access = Route::Access::query;
    route.key = Route::Key::required;
    route.body = body;
    route.answer = [&service, answer](ApiRequest& request) { return answer(service, request); };
  };
  add("/v1/attributes/query", Route::Body::json, post_query);
  add("/v1/attributes/query-batch", Route::Body::large_json, post_batch);
  add("/v1/attributes/match", Route::Body::json, post_match);
  return out;
}

std::vector<Route> records_routes(RecordService& service) {
  std::vector<Route> out(2);
  out[0].pattern = "/v1/disclosures";
  out[0].query = {"consent_id", "from", "to", "limit", "page_token"};
  out[0].answer = [&service](ApiRequest& request) { return get_disclosures(service, request); };
  out[1].pattern = "/v1/usage";
  out[1].query = {"from", "to"};
  out[1].answer = [&service](ApiRequest& request) { return get_usage(service, request); };
  return out;
}

}  // namespace server
