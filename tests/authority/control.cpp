#include "authority/control.hpp"

#include <openssl/pem.h>

#include <algorithm>
#include <charconv>
#include <exception>
#include <utility>

#include "authority/civil_time.hpp"
#include "authority/comparison.hpp"
#include "authority/consents.hpp"
#include "authority/failure.hpp"
#include "authority/person.hpp"
#include "authority/signer.hpp"

namespace authority {
namespace {

using nlohmann::json;

// A question about something that does not exist.
struct NotFound : Failure {
  using Failure::Failure;
};

// Not the asker's fault: the responder that is compared doesn't answer as it should.
struct BadResponder : Failure {
  using Failure::Failure;
};

Response error_response(unsigned status, const char* text) {
  return json_response(status, {{"error", text}});
}

// "/control/certificates/card-signing-g1/01F0" after `prefix`: its parts.
std::vector<std::string> parts_after(std::string_view path, std::string_view prefix) {
  path.remove_prefix(std::min(path.size(), prefix.size()));
  std::vector<std::string> parts;
  while (!path.empty()) {
    const std::string_view part = path.substr(0, path.find('/'));
    parts.emplace_back(part);
    path.remove_prefix(std::min(path.size(), part.size() + 1));
  }
  return parts;
}

template <typename Number>
Number parse_number(const std::string& text) {
  Number number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) {
    throw Failure(std::string("'").append(text).append("' is no number"));
  }
  return number;
}

const char* word_of(Condition condition) {
  switch (condition) {
    case Condition::good: return "good";
    case Condition::held: return "held";
    case Condition::revoked: return "revoked";
  }
  return "";
}

const char* word_of(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::rsa2048: return "rsa2048";
    case Algorithm::p256: return "p256";
    case Algorithm::p384: return "p384";
  }
  return "";
}

json line_of(const Recorded& line) {
  json result{{"at", rfc3339(line.at)}, {"condition", word_of(line.condition)}};
  if (line.condition != Condition::good) result["revocation_date"] = rfc3339(line.revocation_date);
  if (line.reason) result["reason"] = static_cast<int>(*line.reason);
  return result;
}

std::string pem_of(const Octets& der) {
  const BioPointer output(BIO_new(BIO_s_mem()));
  require(output && PEM_write_bio(output.get(), PEM_STRING_X509, "", der.data(),
                                  static_cast<long>(der.size())) > 0,
          "encoding a certificate");
  char* text = nullptr;
  const long size = BIO_get_mem_data(output.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

}  // namespace

boost::asio::awaitable<Response> Control::answer(const Request& request) {
  try {
    if (request.method == "GET") co_return get(request);
    const std::string path(request.path());
    if (request.method == "DELETE" && path == "/control/fail") {
      world_.faults.clear();
      co_return json_response(200, json::object());
    }
    if (request.method == "DELETE" && path == "/control/requests") {
      world_.requests.clear();
      co_return json_response(200, json::object());
    }
    if (request.method != "POST") throw NotFound("there is nothing of this method and path");
    const json body = request.body.empty() ? json::object() : json::parse(request.body);
    if (!body.is_object()) throw Failure("the body must be a JSON object");
    if (path == "/control/compare") co_return json_response(200, co_await compare(body));
    co_return json_response(200, post(path, body));
  } catch (const NotFound& failure) {
    co_return error_response(404, failure.what());
  } catch (const BadResponder& failure) {
    co_return error_response(502, failure.what());
  } catch (const std::exception& failure) {  // Failure, or JSON of the wrong shape
    co_return error_response(400, failure.what());
  }
}

Response Control::get(const Request& request) {
  const std::string path(request.path());
  const auto parts = parts_after(path, "/control/");
  const std::string what = parts.empty() ? "" : parts[0];
  if (path == "/control/now") return json_response(200, {{"now", rfc3339(world_.country.now())}});
  if (path == "/control/authorities") return json_response(200, authorities());
  if (path == "/control/consents") return json_response(200, consents());
  if (path == "/control/billing") return json_response(200, world_.upstream.billing());
  if (path == "/control/people") return json_response(200, world_.country.people());
  if (path == "/control/requests") {
    const std::string after = request.parameter("after");
    const auto sequence = after.empty() ? 0 : parse_number<std::uint64_t>(after);
    return json_response(200, world_.requests.after(sequence));
  }
  if (what == "people" && parts.size() == 2) {
    return json_response(200, world_.country.person(parse_number<std::uint32_t>(parts[1])));
  }
  if (what == "books" && parts.size() == 2) return json_response(200, books(parts[1]));
  if (what == "certificates" && parts.size() == 3) return certificate(parts[1], parts[2]);
  throw NotFound(std::string("there is nothing at ").append(path));
}

json Control::post(const std::string& path, const json& body) {
  if (path == "/control/advance") return advance(body);
  if (path == "/control/event") return world_.country.event(body);
  if (path == "/control/sign") return sign(body);
  if (path == "/control/fail") {
    world_.faults.add(body);
    return json::object();
  }
  throw NotFound(std::string("there is nothing at ").append(path));
}

json Control::advance(const json& body) {
  constexpr Instant kStepMax = 3660 * kSecondsPerDay;
  const Instant now = world_.country.now();
  Instant to = now;
  if (body.contains("to")) to = parse_instant(body.at("to").get<std::string>());
  to += body.value("days", Instant{0}) * kSecondsPerDay + body.value("seconds", Instant{0});
  if (to < now) throw Failure("the clock only goes forward; it is " + rfc3339(now));
  if (to - now > kStepMax) throw Failure("one step is ten years at most");
  world_.country.advance(to);
  return {{"now", rfc3339(world_.country.now())}};
}

json Control::authorities() {
  json list = json::array();
  for (std::size_t i = 0; i < world_.authorities.size(); ++i) {
    const AuthorityDescription& authority = world_.authorities[i];
    const std::string base = std::string("/crl/").append(authority.name).append("/");
    const auto file = [&](const char* end) {
      return (places_.directory / std::string(authority.name).append(end)).string();
    };
    json urls = json::object();
    for (const auto& [name, place] :
         {std::pair{"http", &places_.http}, {"https", &places_.https}}) {
      urls[name] = std::string(name).append("://").append(*place).append(base);
    }
    list.push_back(
        {{"name", authority.name},
         {"purpose", authority.purpose == Purpose::signing ? "signing" : "authentication"},
         {"medium", authority.medium == Medium::card ? "card" : "phone"},
         {"generation", authority.generation},
         {"algorithm", word_of(authority.algorithm)},
         {"issued", world_.country.books(i).certificates().size()},
         {"urls", std::move(urls)},
         {"certificate", file(".pem")},
         {"responder_certificate", file("-responder.pem")},
         {"responder_key", file("-responder.key")}});
  }
  return {{"authorities", std::move(list)}, {"partitions", world_.country.partitions()}};
}

json Control::consents() {
  json list = json::array();
  for (const Consent& consent : world_.country.consents().all()) {
    const ConsentRequest& request = consent.request;
    list.push_back({{"consent", consent.id},
                    {"person", request.person},
                    {"institution", request.institution},
                    {"service", request.service},
                    {"items", request.items},
                    {"received_at", rfc3339(request.received_at)},
                    {"reflected_at", rfc3339(request.reflected_at)},
                    {"valid_from", rfc3339(consent.valid_from)},
                    {"valid_until", rfc3339(consent.valid_until)}});
    if (!consent.withdrawal) continue;
    list.back()["withdrawal"] = {{"sequence", consent.withdrawal->sequence},
                                 {"at", rfc3339(consent.withdrawal->at)},
                                 {"channel", consent.withdrawal->channel}};
  }
  return {{"consents", std::move(list)}};
}

// A card signs whether its certificate is revoked or not; here that must be asked for, so that no
// test does it unawares.
json Control::sign(const json& body) {
  const Person& person = world_.country.resident(body.at("person").get<std::uint32_t>());
  const std::string place = body.value("seat", std::string("card signing"));
  const auto seat = std::find_if(kAllSeats.begin(), kAllSeats.end(),
                                 [&](Seat known) { return to_text(known) == place; });
  if (seat == kAllSeats.end()) {
    throw Failure(
        "'seat' is card signing, card authentication, phone signing or phone "
        "authentication");
  }
  const std::string format = body.value("format", std::string("raw"));
  if (format != "raw" && format != "cms") throw Failure("'format' is raw or cms");
  const bool is_good = person.is(*seat, Condition::good, world_.country.now());
  const auto& holding = person.seat(*seat);
  if (!holding || (!is_good && !body.value("even_if_revoked", false))) {
    throw Failure(std::string("person ")
                      .append(std::to_string(person.id))
                      .append(" has no good certificate at '")
                      .append(place)
                      .append("'"));
  }
  const Octets document = from_base64(body.at("document").get<std::string>());
  const Octets certificate = world_.country.certificate(holding->authority, holding->serial);
  const KeyPointer key = world_.country.key(holding->authority, holding->serial);
  json result = world_.upstream.describe({holding->authority, holding->serial});
  result["certificate"] = to_base64(certificate);
  if (format == "raw") {
    result["signature"] = to_base64(sign_raw(key.get(), document));
  } else {
    result["cms"] = to_base64(sign_cms(key.get(), certificate, document, world_.country.now()));
  }
  return result;
}

json Control::books(const std::string& authority) {
  json list = json::array();
  for (const auto& certificate : world_.country.books(authority_named(authority)).certificates()) {
    json history = json::array();
    for (const Recorded& line : certificate.history) history.push_back(line_of(line));
    list.push_back({{"serial", hexadecimal(certificate.serial)},
                    {"partition", certificate.partition},
                    {"person", certificate.person},
                    {"issued_at", rfc3339(certificate.issued_at)},
                    {"not_after", rfc3339(certificate.not_after)},
                    {"history", std::move(history)}});
  }
  return {{"certificates", std::move(list)}};
}

Response Control::certificate(const std::string& authority, const std::string& serial) {
  const Octets der = world_.country.certificate(authority_named(authority), parse_serial(serial));
  return text_response(200, "application/x-pem-file", pem_of(der));
}

boost::asio::awaitable<json> Control::compare(const json& body) {
  ComparisonOptions options;
  options.authority = authority_named(body.at("authority").get<std::string>());
  options.url = body.at("ocsp").get<std::string>();
  if (body.contains("since")) options.since = parse_instant(body.at("since").get<std::string>());
  options.batch = body.value("batch", options.batch);
  options.never_issued = body.value("never_issued", options.never_issued);
  const std::string digest = body.value("digest", std::string("sha1"));
  options.digest = EVP_get_digestbyname(digest.c_str());
  if (options.digest == nullptr || options.batch == 0) {
    throw Failure("'digest' is one of OpenSSL's digests, 'batch' at least 1");
  }
  Comparison comparison(world_.authorities, world_.country, world_.schedule, std::move(options));
  try {
    co_return co_await comparison.run();
  } catch (const Failure& failure) {
    throw BadResponder(failure.what());
  }
}

std::size_t Control::authority_named(const std::string& name) const {
  if (const auto index = world_.find_authority(name)) return *index;
  std::string possible;
  for (const AuthorityDescription& authority : world_.authorities) {
    possible.append(" ").append(authority.name);
  }
  throw NotFound(std::string("no authority is called '").append(name).append("'; there are") +
                 possible);
}

}  // namespace authority
