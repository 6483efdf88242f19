#include "server/platform/claims.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "libpki/japan_time.hpp"
#include "libpki/jpki_profile.hpp"

namespace server {
namespace {

using nlohmann::ordered_json;

std::string claim_name(const ClaimsContext& context, std::string_view name) {
  return fmt::format("{}/claims/{}", context.base_url, name);
}

// Nothing where OpenID has no form for what is known.
std::optional<std::string> openid_birthdate(const pki::Birthdate& birthdate) {
  if (birthdate.month && birthdate.day) {
    return fmt::format("{:04}-{:02}-{:02}", birthdate.year.value_or(0), *birthdate.month,
                       *birthdate.day);
  }
  if (birthdate.year && !birthdate.month && !birthdate.day) {
    return fmt::format("{:04}", *birthdate.year);
  }
  return std::nullopt;
}

ordered_json birthdate_parts(const pki::Birthdate& birthdate) {
  ordered_json out = {{"era", std::string(1, birthdate.era)}};
  if (birthdate.year) out["year"] = *birthdate.year;
  if (birthdate.month) out["month"] = *birthdate.month;
  if (birthdate.day) out["day"] = *birthdate.day;
  out["raw"] = birthdate.raw;
  return out;
}

// What the certificate has is not always what the profile says; raw is given in any case.
void add_birthdate(ordered_json& claims, const std::string& raw, const ClaimsContext& context) {
  const auto birthdate = pki::parse_birthdate(raw);
  const auto text = birthdate ? openid_birthdate(*birthdate) : std::nullopt;
  if (text) {
    claims["birthdate"] = *text;
  } else if (birthdate) {
    claims[claim_name(context, "birthdate_parts")] = birthdate_parts(*birthdate);
  } else {
    claims[claim_name(context, "birthdate_parts")] = {{"raw", raw}};
  }
}

const char* gender(const std::string& sex) {
  if (sex == "1") return "male";
  if (sex == "2") return "female";
  return "unknown";
}

ordered_json verification(const ProvidedInformation& provided, const ClaimsContext& context) {
  const std::string answered_at = pki::time_to_rfc3339(provided.answered_at);
  return {
      {"trust_framework", fmt::format("{}/trust_framework/jp_jpki", context.base_url)},
      {"time", answered_at},
      {"verification_process", context.disclosure_id},
      {"evidence",
       {{{"type", "electronic_record"},
         {"check_details",
          {{{"check_method", "data"},
            {"organization", "J-LIS"},
            {"time", answered_at},
            {"check_id", context.disclosure_id}}}},
         {"record",
          {{"type", "population_register"},
           {"created_at", pki::time_to_rfc3339(provided.newer.issued_at)},
           {"source", {{"name", "地方公共団体情報システム機構"}, {"country_code", "JPN"}}}}}}}}};
}

}  // namespace

ordered_json verified_claims(const ProvidedInformation& provided, const ClaimsContext& context) {
  const FourInformation& items = provided.items;
  ordered_json claims = ordered_json::object();
  if (items.name) {
    claims["name"] = items.name->text.reveal();
    claims[claim_name(context, "name_substitutions")] = items.name->map.reveal();
  }
  if (items.address) {
    claims["address"] = {{"formatted", items.address->text.reveal()}};
    claims[claim_name(context, "address_substitutions")] = items.address->map.reveal();
  }
  if (items.birthdate) add_birthdate(claims, items.birthdate->reveal(), context);
  if (items.sex) claims["gender"] = gender(items.sex->reveal());
  return {{"verification", verification(provided, context)}, {"claims", std::move(claims)}};
}

nlohmann::ordered_json not_consented(const std::vector<std::string>& attributes) {
  auto out = nlohmann::ordered_json::array();
  for (const std::string& attribute : attributes) {
    out.push_back({{"attribute", attribute}, {"reason", "not_consented"}});
  }
  return out;
}

std::vector<InformationItem> missing_items(const FourInformation& given,
                                           const std::vector<InformationItem>& asked) {
  const auto is_there = [&](InformationItem item) {
    switch (item) {
      case InformationItem::name: return given.name.has_value();
      case InformationItem::address: return given.address.has_value();
      case InformationItem::birthdate: return given.birthdate.has_value();
      case InformationItem::sex: return given.sex.has_value();
    }
    return false;
  };
  std::vector<InformationItem> out;
  std::ranges::remove_copy_if(asked, std::back_inserter(out), is_there);
  return out;
}

}  // namespace server
