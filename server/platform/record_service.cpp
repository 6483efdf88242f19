#include "server/platform/record_service.hpp"

#include <fmt/format.h>

#include <optional>

#include "libpki/japan_time.hpp"
#include "server/platform/page_token.hpp"
#include "server/platform/problem.hpp"
#include "server/store/consents.hpp"
#include "server/store/disclosures.hpp"
#include "server/store/ids.hpp"

namespace server {
namespace {

constexpr int kUsageDaysMax = 400;
constexpr std::chrono::sys_days kFirstDay = std::chrono::year(1) / 1 / 1;

nlohmann::ordered_json disclosure_json(const Disclosure& one) {
  nlohmann::ordered_json out = {{"disclosure_id", one.disclosure_id},
                                {"kind", one.kind},
                                {"consent_id", one.consent_id},
                                {"sub", one.subject_id},
                                {"subject_version", one.subject_version},
                                {"service_id", one.service_id},
                                {"purpose", one.purpose},
                                {"attributes", one.attributes},
                                {"state", one.state},
                                {"outcome", nullptr},
                                {"billable", one.billable},
                                {"yen", one.yen},
                                {"started_at", pki::time_to_rfc3339(one.started_at)},
                                {"ended_at", nullptr}};
  if (!one.outcome.empty()) out["outcome"] = one.outcome;
  if (one.ended_at) out["ended_at"] = pki::time_to_rfc3339(*one.ended_at);
  return out;
}

// "2026-11-22T03:04:05Z dsc_…": what a page token of disclosures stands for.
std::string place_text(const Disclosure& one) {
  return fmt::format("{} {}", pki::time_to_rfc3339(one.started_at), one.disclosure_id);
}

std::optional<DisclosurePlace> read_place(const std::string& text) {
  constexpr std::size_t kTimeCharacters = 20;
  const auto time = pki::time_from_rfc3339(std::string_view(text).substr(0, kTimeCharacters));
  if (!time || text.size() < kTimeCharacters + 1) return std::nullopt;
  return DisclosurePlace{*time, text.substr(kTimeCharacters + 1)};
}

// The day's beginning in Japan.
pki::Time read_day(const std::string& text, const char* name) {
  const auto time = pki::time_from_rfc3339(fmt::format("{}T00:00:00Z", text));
  // PostgreSQL has no year 0; and the first day of year 1 begins in it, seen from UTC.
  if (text.size() == 10 && time && *time > kFirstDay) {
    return pki::start_of_japanese_day(std::chrono::floor<std::chrono::days>(*time));
  }
  throw Problem(ProblemKind::value_out_of_range, {},
                {{name, text.empty() ? "missing" : "out_of_range", "a day, as 2026-11-01"}});
}

}  // namespace

boost::asio::awaitable<nlohmann::ordered_json> RecordService::disclosures(
    std::string institution_id, DisclosureQuestion question) {
  DisclosureFilter filter;
  filter.limit = question.limit + 1;
  if (!question.from.empty()) filter.after.started_at = read_day(question.from, "from");
  if (!question.to.empty()) filter.before = read_day(question.to, "to") + std::chrono::days{1};
  const auto work = [&](Connection& connection) {
    Session session(connection, institution_id);
    const SecretKey key = parts_.keys.cursor_key(session);
    const std::string name =
        fmt::format("disclosures {} {} {}", question.consent_id, question.from, question.to);
    if (!question.consent_id.empty()) {
      filter.consent_id = question.consent_id;
      if (!is_id(question.consent_id, kConsentId) ||
          !find_consent(session, institution_id, question.consent_id)) {
        throw Problem(ProblemKind::not_found);
      }
    }
    if (!question.page_token.empty()) {
      const auto place =
          read_place(read_page_token(key, name, institution_id, question.page_token));
      if (!place) throw bad_page_token();
      filter.after = *place;
    }
    const auto found = list_disclosures(session, filter);
    nlohmann::ordered_json out = {{"items", nlohmann::ordered_json::array()},
                                  {"next_page_token", nullptr}};
    for (const Disclosure& one : found) {
      if (out["items"].size() == question.limit) {
        out["next_page_token"] =
            make_page_token(key, name, institution_id, place_text(found[question.limit - 1]));
        break;
      }
      out["items"].push_back(disclosure_json(one));
    }
    return out;
  };
  co_return co_await parts_.database.run(work);
}

boost::asio::awaitable<nlohmann::ordered_json> RecordService::usage(std::string institution_id,
                                                                    std::string from,
                                                                    std::string to) {
  const pki::Time first = read_day(from, "from");
  const pki::Time last = read_day(to, "to");
  if (last < first || last - first >= std::chrono::days{kUsageDaysMax}) {
    throw Problem(ProblemKind::value_out_of_range, {},
                  {{"to", "out_of_range",
                    fmt::format("not before `from`, and within {} days of it", kUsageDaysMax)}});
  }
  const auto work = [&](Connection& connection) {
    Session session(connection, institution_id);
    nlohmann::ordered_json out = {
        {"from", from}, {"to", to}, {"items", nlohmann::ordered_json::array()}};
    for (const Usage& one : list_usage(session, from, to)) {
      out["items"].push_back({{"day", one.day},
                              {"rule", one.rule},
                              {"purpose", one.purpose},
                              {"uses", one.uses},
                              {"yen", one.yen}});
    }
    return out;
  };
  co_return co_await parts_.database.run(work);
}

}  // namespace server
