#include "authority/country.hpp"

#include <algorithm>
#include <utility>

#include "authority/civil_time.hpp"
#include "authority/consents.hpp"
#include "authority/failure.hpp"
#include "authority/life.hpp"
#include "authority/person_certificate.hpp"
#include "authority/person_view.hpp"
#include "authority/registrar.hpp"

namespace authority {
namespace {

using nlohmann::json;

constexpr Instant kHistory = 5 * 365 * kSecondsPerDay;
constexpr std::uint32_t kPeopleMax = 50'000'000;
constexpr const char* kWithdrawal = "withdraw_consent";

std::vector<Person> make_people(const CountryOptions& options,
                                const std::vector<Municipality>& towns, Instant born) {
  if (options.people < 1 || options.people > kPeopleMax) {
    throw Failure(std::to_string(options.people) + " people: give a number from 1 to 50000000");
  }
  const std::uint64_t seed = derive_seed(options.seed, "people");
  std::vector<Person> people(options.people);
  for (std::uint32_t i = 0; i < options.people; ++i) {
    Person& person = people[i];
    person.id = i + 1;
    person.dice = Dice(mix64(seed + person.id));
    person.persona = make_persona(person.id, person.dice);
    person.abroad = person.persona.trait == Trait::abroad;
    const auto town = static_cast<std::size_t>(person.dice.below(towns.size()));
    person.records.push_back({born, first_items(person.persona, towns[town], person.dice), town});
  }
  return people;
}

// What is in `request`, and of the right type.
template <typename T>
std::optional<T> option(const json& request, const char* key) {
  const auto found = request.find(key);
  if (found == request.end()) return std::nullopt;
  try {
    return found->get<T>();
  } catch (const json::exception&) {
    throw Failure(std::string("the event's \"") + key + "\" has the wrong type");
  }
}

Details parse_details(const json& request) {
  constexpr std::array<std::string_view, 10> kKnown{
      "person",  "kind",        "name",    "name_map", "birthdate",
      "address", "address_map", "consent", "on_phone", "reissue_after_seconds"};
  for (const auto& [key, value] : request.items()) {
    if (std::find(kKnown.begin(), kKnown.end(), key) == kKnown.end()) {
      throw Failure("'" + key + "' is no part of an event; see PROTOCOL.md");
    }
  }
  Details details;
  details.name = option<std::string>(request, "name");
  details.name_map = option<std::string>(request, "name_map");
  details.birthdate = option<std::string>(request, "birthdate");
  details.address = option<std::string>(request, "address");
  details.address_map = option<std::string>(request, "address_map");
  details.on_phone = option<bool>(request, "on_phone");
  details.reissue_after = option<Instant>(request, "reissue_after_seconds");
  if (details.reissue_after.value_or(0) < 0) {
    throw Failure("\"reissue_after_seconds\" cannot be negative");
  }
  return details;
}

}  // namespace

struct Country::Parts {
  Parts(const CountryOptions& options, const std::vector<AuthorityDescription>& authorities)
      : seed(options.seed),
        now(options.start),
        towns(make_municipalities(options.municipalities)),
        registrar(options.seed, authorities),
        people(make_people(options, towns, options.start - kHistory)),
        life(options.pace, towns, registrar, people, options.start - kHistory, options.start) {}

  Person& find(std::uint64_t id) {
    if (id >= 1 && id <= people.size()) return people[static_cast<std::size_t>(id - 1)];
    throw Failure("there is no person " + std::to_string(id) + "; they are numbered from 1 to " +
                  std::to_string(people.size()));
  }

  const IssuedCertificate& issued(std::size_t authority, const Serial& serial) const {
    const IssuedCertificate* const found = registrar.books(authority).find(serial);
    if (found != nullptr) return *found;
    throw Failure("the books of " + registrar.authority(authority).name + " have no certificate " +
                  hexadecimal(serial));
  }

  json withdraw(const Person& person, const std::optional<std::string>& id);

  std::uint64_t seed;
  Instant now;
  std::vector<Municipality> towns;
  Registrar registrar;
  std::vector<Person> people;
  Life life;
  Consents consents;
};

Country::Country(const CountryOptions& options,
                 const std::vector<AuthorityDescription>& authorities)
    : parts_(std::make_unique<Parts>(options, authorities)) {
  if (!parts_->registrar.issuer(Seat::card_signing, options.start) ||
      !parts_->registrar.issuer(Seat::card_authentication, options.start)) {
    throw Failure("no authority issues certificates for cards on " + rfc3339(options.start));
  }
  advance(options.start);
}

Country::~Country() = default;

void Country::advance(Instant to) {
  if (to < parts_->now) return;
  parts_->life.play(to);
  parts_->registrar.forget_actions();
  parts_->now = to;
}

Instant Country::now() const {
  return parts_->now;
}

Books& Country::books(std::size_t authority) {
  return parts_->registrar.books(authority);
}

std::size_t Country::partitions() const {
  return parts_->towns.size();
}

std::string Country::partition_prefecture(std::size_t partition) const {
  return parts_->towns.at(partition).prefecture;
}

std::string Country::partition_name(std::size_t partition) const {
  return parts_->towns.at(partition).name;
}

json Country::event(const json& request) {
  if (!request.is_object()) throw Failure("an event is a JSON object with \"person\" and \"kind\"");
  const Details details = parse_details(request);
  const std::string kind = option<std::string>(request, "kind").value_or("");
  const bool is_withdrawal = kind == kWithdrawal;
  const auto happening = parse_happening(kind);
  if (!happening && !is_withdrawal) {
    throw Failure("'" + kind + "' is no kind of event; possible are: " + list_of_happenings() +
                  ", " + kWithdrawal);
  }
  Person& person = parts_->find(option<std::uint64_t>(request, "person").value_or(0));

  advance(now() + 1);
  json result;
  if (is_withdrawal) {
    result["withdrawn"] = parts_->withdraw(person, option<std::string>(request, "consent"));
  } else {
    parts_->life.happen(person, *happening, details, now());
    parts_->life.play(now());  // what follows at once
    result = describe(parts_->registrar.take_actions(), parts_->registrar);
    result["awaited"] = describe_awaited(person);
  }
  result["at"] = rfc3339(now());
  result["person"] = person.id;
  result["kind"] = kind;
  return result;
}

// By the person's own app: one consent, or all of them.
json Country::Parts::withdraw(const Person& person, const std::optional<std::string>& id) {
  json withdrawn = json::array();
  for (const Consent* const consent : consents.of_person(person.id)) {
    if (consent->withdrawal || (id && *id != consent->id)) continue;
    consents.withdraw(consent->id, now, "own_app");
    withdrawn.push_back(consent->id);
  }
  if (withdrawn.empty()) {
    throw Failure("person " + std::to_string(person.id) + " has no such consent to withdraw");
  }
  return withdrawn;
}

json Country::person(std::uint32_t id) const {
  return describe(parts_->find(id), parts_->registrar, parts_->towns, parts_->consents);
}

json Country::people() const {
  json list = json::array();
  for (const Person& person : parts_->people) {
    list.push_back(summarize(person, parts_->registrar));
  }
  return list;
}

Octets Country::certificate(std::size_t authority, const Serial& serial) const {
  const IssuedCertificate& issued = parts_->issued(authority, serial);
  const AuthorityDescription& issuer = parts_->registrar.authority(authority);
  const Municipality& town = parts_->towns[issued.partition];
  const CertificateContent content{
      serial,
      issued.issued_at,
      issued.not_after,
      common_name(issuer.purpose, serial, issued.issued_at, town),
      parts_->people[issued.person - 1].record_at(issued.issued_at).items,
      town};
  return make_person_certificate(issuer, content, key(authority, serial).get());
}

KeyPointer Country::key(std::size_t authority, const Serial& serial) const {
  const AuthorityDescription& issuer = parts_->registrar.authority(authority);
  const IssuedCertificate& issued = parts_->issued(authority, serial);
  const std::string role = issuer.name + " certificate " + hexadecimal(serial);
  return make_key(issuer.algorithm, parts_->seed, role,
                  std::uint64_t{issued.person} * 2 + static_cast<std::uint64_t>(issuer.purpose));
}

const std::map<std::string, std::uint64_t>& Country::occurrences() const {
  return parts_->life.occurrences();
}

Consents& Country::consents() {
  return parts_->consents;
}

const Registrar& Country::registrar() const {
  return parts_->registrar;
}

const Person& Country::resident(std::uint32_t id) const {
  return parts_->find(id);
}

}  // namespace authority
