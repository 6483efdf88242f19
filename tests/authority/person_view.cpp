#include "authority/person_view.hpp"

#include <array>
#include <string>
#include <string_view>

#include "authority/civil_time.hpp"

namespace authority {
namespace {

using nlohmann::json;

std::string_view to_text(Condition condition) {
  constexpr std::array<std::string_view, 3> kTexts{"good", "held", "revoked"};
  return kTexts[static_cast<std::size_t>(condition)];
}

// Null: the list gives no reason.
json reason_json(const std::optional<Reason>& reason) {
  if (!reason) return nullptr;
  switch (*reason) {
    case Reason::key_compromise: return "keyCompromise";
    case Reason::affiliation_changed: return "affiliationChanged";
    case Reason::superseded: return "superseded";
    case Reason::cessation_of_operation: return "cessationOfOperation";
    case Reason::certificate_hold: return "certificateHold";
  }
  return nullptr;
}

json describe(const Recorded& line) {
  json result{{"at", rfc3339(line.at)}, {"condition", to_text(line.condition)}};
  if (line.condition == Condition::good) return result;
  result["reason"] = reason_json(line.reason);
  result["revocation_date"] = rfc3339(line.revocation_date);
  return result;
}

json describe(const CertificateNumber& number, const Registrar& registrar) {
  const IssuedCertificate& issued = *registrar.books(number.authority).find(number.serial);
  json history = json::array();
  for (const Recorded& line : issued.history) history.push_back(describe(line));
  const Condition condition =
      issued.history.empty() ? Condition::good : issued.history.back().condition;
  return {{"authority", registrar.authority(number.authority).name},
          {"serial", hexadecimal(number.serial)},
          {"partition", issued.partition},
          {"issued_at", rfc3339(issued.issued_at)},
          {"not_after", rfc3339(issued.not_after)},
          {"condition", to_text(condition)},
          {"history", history}};
}

json describe(const FourItems& items) {
  return {{"name", items.name},       {"name_map", items.name_map},
          {"sex", items.sex},         {"birthdate", items.birthdate},
          {"address", items.address}, {"address_map", items.address_map}};
}

json describe(const Consent& consent) {
  json result{{"id", consent.id},
              {"institution", consent.request.institution},
              {"service", consent.request.service},
              {"items", consent.request.items},
              {"valid_until", rfc3339(consent.valid_until)}};
  if (consent.withdrawal) result["withdrawn_at"] = rfc3339(consent.withdrawal->at);
  return result;
}

std::string_view status_of(const Person& person) {
  if (person.died_at) return "dead";
  return person.abroad ? "abroad" : "resident";
}

// The newest certificate of each seat: {"card signing": {authority, serial, condition}}.
json describe_seats(const Person& person, const Registrar& registrar) {
  json result = json::object();
  for (const Seat seat : kAllSeats) {
    const auto& holding = person.seat(seat);
    if (!holding) continue;
    result[std::string(authority::to_text(seat))] = {
        {"authority", registrar.authority(holding->authority).name},
        {"serial", hexadecimal(holding->serial)},
        {"not_after", rfc3339(holding->not_after)},
        {"condition", to_text(holding->condition)}};
  }
  return result;
}

}  // namespace

json describe_awaited(const Person& person) {
  json result = json::array();
  for (const Seat seat : kAllSeats) {
    const auto& due = person.due[static_cast<std::size_t>(issue_errand(seat))];
    if (due) result.push_back({{"seat", authority::to_text(seat)}, {"at", rfc3339(*due)}});
  }
  return result;
}

json describe(const std::vector<Action>& actions, const Registrar& registrar) {
  constexpr std::array<const char*, 4> kVerbs{"issued", "held", "released", "revoked"};
  json result = json::object();
  for (const char* const verb : kVerbs) result[verb] = json::array();
  for (const Action& action : actions) {
    json entry{{"seat", authority::to_text(action.seat)},
               {"authority", registrar.authority(action.certificate.authority).name},
               {"serial", hexadecimal(action.certificate.serial)}};
    if (action.verb == Verb::revoked) entry["reason"] = reason_json(action.reason);
    result[kVerbs[static_cast<std::size_t>(action.verb)]].push_back(std::move(entry));
  }
  return result;
}

json describe(const Person& person, const Registrar& registrar,
              const std::vector<Municipality>& towns, const Consents& consents) {
  json certificates = json::array();
  for (const auto& number : person.certificates) {
    certificates.push_back(describe(number, registrar));
  }
  json agreed = json::array();
  for (const Consent* const consent : consents.of_person(person.id)) {
    agreed.push_back(describe(*consent));
  }
  const ResidenceRecord& record = person.record();
  const Municipality& town = towns[record.municipality];
  return {{"id", person.id},
          {"trait", authority::to_text(person.persona.trait)},
          {"status", status_of(person)},
          {"items", describe(record.items)},
          {"items_since", rfc3339(record.since)},
          {"municipality",
           {{"partition", record.municipality},
            {"prefecture", town.prefecture},
            {"name", town.name},
            {"code", town.code}}},
          {"current", describe_seats(person, registrar)},
          {"awaited", describe_awaited(person)},
          {"certificates", certificates},
          {"consents", agreed}};
}

json summarize(const Person& person, const Registrar& registrar) {
  return {{"id", person.id},
          {"name", person.record().items.name},
          {"trait", authority::to_text(person.persona.trait)},
          {"status", status_of(person)},
          {"current", describe_seats(person, registrar)}};
}

}  // namespace authority
