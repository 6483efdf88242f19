#include "authority/upstream.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <vector>

#include "authority/civil_time.hpp"
#include "authority/consents.hpp"
#include "authority/failure.hpp"
#include "authority/person.hpp"
#include "authority/registrar.hpp"

namespace authority {
namespace {

using nlohmann::json;
using Response = Upstream::Response;

constexpr unsigned kYenForAnAnswer = 20;
constexpr std::size_t kWithdrawalsMax = 1000;  // in one answer
constexpr std::size_t kTextMax = 200;          // octets of a name of an institution or service
constexpr std::array<std::string_view, 4> kItems{"name", "address", "birthdate", "sex"};

// A request that makes no sense as it stands.
struct Malformed {
  std::string detail;
};

const json& field(const json& body, const char* name, json::value_t type) {
  if (!body.is_object()) throw Malformed{"the body must be a JSON object"};
  const auto found = body.find(name);
  if (found == body.end() || found->type() != type) {
    throw Malformed{std::string("\"").append(name).append("\" is missing or of the wrong type")};
  }
  return *found;
}

std::string text_field(const json& body, const char* name) {
  const auto text = field(body, name, json::value_t::string).get<std::string>();
  if (!text.empty() && text.size() <= kTextMax) return text;
  throw Malformed{std::string("\"").append(name).append("\" must have 1 to 200 octets")};
}

std::vector<std::string> items_field(const json& body) {
  std::vector<std::string> items;
  for (const json& item : field(body, "items", json::value_t::array)) {
    const bool is_known = item.is_string() && std::find(kItems.begin(), kItems.end(),
                                                        item.get<std::string>()) != kItems.end();
    if (!is_known || std::find(items.begin(), items.end(), item) != items.end()) {
      throw Malformed{"\"items\" are of name, address, birthdate, sex, each once"};
    }
    items.push_back(item.get<std::string>());
  }
  if (items.empty()) throw Malformed{"\"items\" must name at least one item"};
  return items;
}

std::string key_hash(const AuthorityDescription& authority, const EVP_MD* digest) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  const ASN1_BIT_STRING* const key = X509_get0_pubkey_bitstr(authority.identity.certificate.get());
  std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
  unsigned size = 0;
  require(EVP_Digest(key->data, static_cast<std::size_t>(key->length), hash.data(), &size, digest,
                     nullptr) == 1,
          "hashing an authority's key");
  std::string text;
  for (unsigned i = 0; i < size; ++i) {
    text += kDigits[hash[i] >> 4U];
    text += kDigits[hash[i] & 15U];
  }
  return text;
}

std::string lower_case(std::string text) {
  for (char& letter : text) {
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  }
  return text;
}

// A state that gives no items; it costs nothing.
Response state(int status, const char* name) {
  return {status, {{"state", name}, {"billable_yen", 0}}};
}

json consent_view(const Consent& consent) {
  const ConsentRequest& request = consent.request;
  json result{{"consent", consent.id},
              {"institution", request.institution},
              {"service", request.service},
              {"items", request.items},
              {"received_at", rfc3339(request.received_at)},
              {"reflected_at", rfc3339(request.reflected_at)},
              {"valid_from", rfc3339(consent.valid_from)},
              {"valid_until", rfc3339(consent.valid_until)}};
  if (consent.withdrawal) {
    result["withdrawal"] = {{"sequence", consent.withdrawal->sequence},
                            {"at", rfc3339(consent.withdrawal->at)},
                            {"channel", consent.withdrawal->channel}};
  }
  return result;
}

// The value of `name` in "a=1&b=2"; `otherwise` if it is absent.
std::uint64_t number_in(std::string_view query, std::string_view name, std::uint64_t otherwise) {
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view part = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (!part.starts_with(name) || part.substr(name.size()).substr(0, 1) != "=") continue;
    const std::string_view digits = part.substr(name.size() + 1);
    std::uint64_t number = 0;
    const auto [stop, error] = std::from_chars(digits.begin(), digits.end(), number);
    if (error == std::errc{} && stop == digits.end()) return number;
    throw Malformed{std::string(name).append(" must be a number")};
  }
  return otherwise;
}

// The items themselves, as the certificate has them. Items that were not asked for are absent.
json raw_items(const FourItems& items, const std::vector<std::string>& wanted) {
  json result = json::object();
  for (const std::string& item : wanted) {
    if (item == "name") result["name"] = {{"text", items.name}, {"map", items.name_map}};
    if (item == "address") {
      result["address"] = {{"text", items.address}, {"map", items.address_map}};
    }
    if (item == "birthdate") result["birthdate"] = items.birthdate;
    if (item == "sex") result["sex"] = items.sex;
  }
  return result;
}

// The person's newest good signing certificate, wherever it lies.
std::optional<CertificateNumber> newest_good(const Person& person, const Registrar& registrar,
                                             Instant now) {
  std::optional<CertificateNumber> newest;
  Instant issued_at = 0;
  for (const Seat seat : kSigningSeats) {
    if (!person.is(seat, Condition::good, now)) continue;
    const Holding& holding = *person.seat(seat);
    const Instant at = registrar.books(holding.authority).find(holding.serial)->issued_at;
    if (newest && at <= issued_at) continue;
    newest = CertificateNumber{holding.authority, holding.serial};
    issued_at = at;
  }
  return newest;
}

}  // namespace

Upstream::Upstream(Country& country) : country_(country) {
  const Registrar& registrar = country_.registrar();
  for (std::size_t i = 0; i < registrar.authorities(); ++i) {
    by_key_hash_.emplace(key_hash(registrar.authority(i), EVP_sha1()), i);
    key_hashes_.push_back(key_hash(registrar.authority(i), EVP_sha256()));
    by_key_hash_.emplace(key_hashes_.back(), i);
  }
}

Response Upstream::answer(std::string_view method, std::string_view target, const json& body) {
  constexpr std::string_view kConsents = "/v1/consents/";
  constexpr std::string_view kWithdrawal = "/withdrawal";
  const std::size_t question_mark = std::min(target.find('?'), target.size());
  const std::string_view path = target.substr(0, question_mark);
  const std::string_view query = target.substr(std::min(question_mark + 1, target.size()));
  const auto only = [&](std::string_view wanted, auto reply) -> Response {
    if (method == wanted) return reply();
    return {405, {{"error", "method_not_allowed"}, {"detail", "use " + std::string(wanted)}}};
  };
  try {
    if (path == "/v1/four-information") {
      return only("POST", [&] { return once(path, body, [&] { return four_information(body); }); });
    }
    if (path == "/v1/newer-certificate") {
      return only("POST", [&] { return newer_certificate(body); });
    }
    if (path == "/v1/consents") {
      return only("POST", [&] { return once(path, body, [&] { return register_consent(body); }); });
    }
    if (path == "/v1/withdrawals") return only("GET", [&] { return withdrawals(query); });
    if (path.starts_with(kConsents)) {
      std::string_view id = path.substr(kConsents.size());
      if (!id.ends_with(kWithdrawal)) return only("GET", [&] { return consent(id); });
      id.remove_suffix(kWithdrawal.size());
      return only("POST", [&] { return withdraw(id); });
    }
  } catch (const Malformed& fault) {
    return {400, {{"error", "malformed_request"}, {"detail", fault.detail}}};
  }
  return {404, {{"error", "no_such_path"}, {"detail", "PROTOCOL.md has the paths"}}};
}

template <typename Act>
Response Upstream::once(std::string_view path, const json& body, Act act) {
  if (!body.is_object() || !body.contains("request_id")) return act();
  const std::string id = text_field(body, "request_id");
  const Answered::Digest digest = Answered::digest(path, body);
  if (const Answered::Entry* const known = answered_.find(id)) {
    if (known->request == digest) return {known->status, known->body};
    return {409, {{"error", "request_id_conflict"}, {"detail", "it named another request"}}};
  }
  Response response = act();
  answered_.remember(id, {digest, response.status, response.body});
  return response;
}

Upstream::Named Upstream::named(const json& certificate) const {
  const std::string hash = lower_case(text_field(certificate, "issuer_key_hash"));
  Serial serial;
  try {
    serial = parse_serial(text_field(certificate, "serial"));
  } catch (const Failure& failure) {
    throw Malformed{failure.what()};
  }
  const auto found = by_key_hash_.find(hash);
  if (found == by_key_hash_.end()) return {};
  const Registrar& registrar = country_.registrar();
  if (registrar.authority(found->second).purpose != Purpose::signing) return {};
  return {found->second, registrar.books(found->second).find(serial)};
}

Response Upstream::register_consent(const json& body) {
  ConsentRequest request;
  request.institution = text_field(body, "institution");
  request.service = text_field(body, "service");
  request.items = items_field(body);
  request.reflected_at = country_.now();
  try {
    request.received_at = parse_instant(text_field(body, "received_at"));
  } catch (const Failure& failure) {
    throw Malformed{failure.what()};
  }
  if (request.received_at > request.reflected_at) {
    throw Malformed{"\"received_at\" lies in the future"};
  }
  const Named signer = named(field(body, "certificate", json::value_t::object));
  if (signer.issued == nullptr) return {404, {{"state", "not_found"}}};
  const bool was_good =
      known_at(*signer.issued, request.received_at).condition == Condition::good &&
      request.received_at >= signer.issued->issued_at &&
      request.received_at <= signer.issued->not_after;
  if (!was_good) return {403, {{"state", "certificate_not_valid"}}};
  request.person = signer.issued->person;
  return {201, consent_view(country_.consents().add(std::move(request)))};
}

Response Upstream::consent(std::string_view id) const {
  const Consent* const found = country_.consents().find(id);
  if (found == nullptr) return {404, {{"state", "consent_missing"}}};
  return {200, consent_view(*found)};
}

Response Upstream::withdraw(std::string_view id) {
  const Consent* const found = country_.consents().withdraw(id, country_.now(), "institution");
  if (found == nullptr) return {404, {{"state", "consent_missing"}}};
  return {200, consent_view(*found)};
}

Response Upstream::withdrawals(std::string_view query) const {
  const std::uint64_t after = number_in(query, "after", 0);
  const std::uint64_t limit = number_in(query, "limit", kWithdrawalsMax);
  const auto count =
      static_cast<std::size_t>(std::clamp(limit, std::uint64_t{1}, std::uint64_t{kWithdrawalsMax}));
  json list = json::array();
  std::uint64_t last = after;
  for (const Consent* const consent : country_.consents().withdrawn_after(after, count)) {
    last = consent->withdrawal->sequence;
    list.push_back({{"sequence", last},
                    {"consent", consent->id},
                    {"institution", consent->request.institution},
                    {"service", consent->request.service},
                    {"at", rfc3339(consent->withdrawal->at)},
                    {"channel", consent->withdrawal->channel}});
  }
  return {200, {{"withdrawals", list}, {"next_after", last}}};
}

Upstream::Question Upstream::question(const json& body) const {
  const std::string id = text_field(body, "consent");
  Question question;
  question.asked = named(field(body, "certificate", json::value_t::object));
  const auto refuse = [&](int status, const char* name) {
    question.refusal = state(status, name);
    return question;
  };
  if (question.asked.issued == nullptr) return refuse(404, "not_found");
  const Consent* const consent = country_.consents().find(id);
  if (consent == nullptr || consent->request.person != question.asked.issued->person) {
    return refuse(403, "consent_missing");
  }
  if (consent->withdrawal) return refuse(403, "consent_withdrawn");
  if (country_.now() > consent->valid_until) return refuse(403, "consent_expired");
  question.consent = consent;
  return question;
}

Response Upstream::four_information(const json& body) {
  const std::vector<std::string> items = items_field(body);
  const Question asked = question(body);
  if (asked.is_refused()) return asked.refusal;
  const ConsentRequest& agreed = asked.consent->request;
  for (const std::string& item : items) {
    if (std::find(agreed.items.begin(), agreed.items.end(), item) == agreed.items.end()) {
      return state(403, "item_not_consented");
    }
  }
  const Latest newest = latest(asked.asked);
  if (newest.issued == nullptr) return newest.state;
  ++provided_[agreed.institution];
  const Person& person = country_.resident(newest.issued->person);
  return {200,
          {{"state", "provided"},
           {"billable_yen", kYenForAnAnswer},
           {"answered_at", rfc3339(country_.now())},
           {"certificate", describe(newest.number)},
           {"certificate_issued_at", rfc3339(newest.issued->issued_at)},
           {"items", raw_items(person.record_at(newest.issued->issued_at).items, items)}}};
}

Response Upstream::newer_certificate(const json& body) const {
  const Question asked = question(body);
  if (asked.is_refused()) return asked.refusal;
  const Latest newest = latest(asked.asked);
  if (newest.issued == nullptr) return newest.state;
  return {200,
          {{"state", "newer_certificate"},
           {"billable_yen", 0},
           {"answered_at", rfc3339(country_.now())},
           {"certificate", describe(newest.number)},
           {"certificate_issued_at", rfc3339(newest.issued->issued_at)}}};
}

// While the certificate that the caller knows lasts, nothing can be newer than it. Once it has
// lapsed, what counts is whether another good one was issued after it. An older good one (of the
// other device) says the same as the lapsed one did: any change would have ended both.
Upstream::Latest Upstream::latest(const Named& asked) const {
  const Instant now = country_.now();
  const IssuedCertificate& known = *asked.issued;
  const Latest nothing_newer{{}, nullptr, state(200, "no_newer_information")};
  const bool lasts = known_at(known, now).condition != Condition::revoked && now <= known.not_after;
  if (lasts) return nothing_newer;
  const Registrar& registrar = country_.registrar();
  const auto newest = newest_good(country_.resident(known.person), registrar, now);
  if (!newest) return {{}, nullptr, state(200, "awaiting_certificate")};
  const IssuedCertificate& issued = *registrar.books(newest->authority).find(newest->serial);
  if (issued.issued_at <= known.issued_at) return nothing_newer;
  return {*newest, &issued, {}};
}

json Upstream::describe(const CertificateNumber& number) const {
  const Medium medium = country_.registrar().authority(number.authority).medium;
  return {{"issuer_key_hash", key_hashes_.at(number.authority)},
          {"serial", hexadecimal(number.serial)},
          {"medium", medium == Medium::card ? "card" : "phone"}};
}

json Upstream::billing() const {
  std::uint64_t answers = 0;
  json institutions = json::object();
  for (const auto& [institution, count] : provided_) {
    answers += count;
    institutions[institution] = {{"answers", count}, {"yen", count * kYenForAnAnswer}};
  }
  return {{"answers", answers},
          {"yen", answers * kYenForAnAnswer},
          {"by_institution", std::move(institutions)}};
}

}  // namespace authority
