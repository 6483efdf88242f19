// What the authority says.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>

#include "libpki/bytes.hpp"
#include "libpki/serial.hpp"
#include "server/upstream/authority_protocol.hpp"

namespace server {
namespace {

// Its nodes and texts are wiped when they are given back. The parser's own copy of the last token
// is not: it belongs to the library.
using Json = nlohmann::basic_json<std::map, std::vector, WipedString, bool, std::int64_t,
                                  std::uint64_t, double, WipingAllocator>;

constexpr int kDepthMax = 16;
constexpr std::size_t kIdMax = 200;
constexpr std::size_t kTextMax = 4096;  // of an item: an address has at most 200 characters
constexpr std::uint64_t kYenMax = 1'000'000;

[[noreturn]] void bad(const std::string& text) {
  throw ReplyFault(AuthorityTrouble::bad_answer, text);
}

bool is_json(std::string_view media_type) {
  constexpr std::string_view kJson = "application/json";
  std::string essence(media_type.substr(0, media_type.find(';')));
  while (essence.ends_with(' ')) essence.pop_back();
  std::ranges::transform(essence, essence.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return essence == kJson;
}

// The parser keeps the last of two members of one name; who reads the first would see another
// answer. So both are refused (RFC 8259 section 4 leaves it open).
class Strictness {
 public:
  bool operator()(int depth, Json::parse_event_t event, Json& parsed) {
    if (depth > kDepthMax) fault_ = "it is nested too deep";
    switch (event) {
      case Json::parse_event_t::object_start: names_.emplace_back(); break;
      case Json::parse_event_t::object_end: names_.pop_back(); break;
      case Json::parse_event_t::key:
        if (!names_.back().insert(parsed.get_ref<const WipedString&>()).second) {
          fault_ = "a member stands in it twice";
        }
        break;
      default: break;
    }
    return true;
  }
  [[nodiscard]] const char* fault() const { return fault_; }

 private:
  std::vector<std::set<WipedString>> names_;
  const char* fault_ = nullptr;
};

Json parse(const AuthorityReply& reply) {
  if (!is_json(reply.media_type)) bad("the answer's Content-Type is not application/json");
  Strictness strictness;
  Json parsed = Json::parse(reply.body.begin(), reply.body.end(), std::ref(strictness), false);
  if (parsed.is_discarded() || !parsed.is_object()) bad("the answer is no JSON object");
  if (strictness.fault() != nullptr) bad(fmt::format("the answer: {}", strictness.fault()));
  return parsed;
}

// ---- members, each of the right type ----

const Json& member(const Json& object, const char* name, Json::value_t type) {
  const auto found = object.find(name);
  if (found == object.end()) bad(fmt::format("the answer has no \"{}\"", name));
  if (found->type() != type) bad(fmt::format("the answer's \"{}\" is of the wrong type", name));
  return *found;
}

// A view of the parsed answer.
std::string_view text(const Json& object, const char* name, std::size_t octets_max) {
  const auto& found = member(object, name, Json::value_t::string).get_ref<const WipedString&>();
  if (found.empty() || found.size() > octets_max) {
    bad(fmt::format("the answer's \"{}\" has {} octets; 1 to {} are expected", name, found.size(),
                    octets_max));
  }
  return found;
}

// Texts are shown to people and put into files: no control characters (C0, DEL, C1 in UTF-8).
bool has_control_characters(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto octet = static_cast<unsigned char>(text[i]);
    if (octet < 0x20 || octet == 0x7F) return true;
    const bool is_c1 =
        octet == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if (is_c1) return true;
  }
  return false;
}

Redacted<std::string> redacted(const Json& object, const char* name) {
  const std::string_view found = text(object, name, kTextMax);
  if (has_control_characters(found)) {
    bad(fmt::format("the answer's \"{}\" has control characters", name));
  }
  return Redacted<std::string>(std::string(found));
}

pki::Time time(const Json& object, const char* name) {
  const std::string_view written = text(object, name, kIdMax);
  const auto parsed = pki::time_from_string(written);
  if (!parsed || !written.ends_with('Z'))
    bad(fmt::format("the answer's \"{}\" is no time like 2026-04-01T00:00:00Z", name));
  return *parsed;
}

std::uint64_t number(const Json& object, const char* name, std::uint64_t max) {
  const auto found = member(object, name, Json::value_t::number_unsigned).get<std::uint64_t>();
  if (found > max) bad(fmt::format("the answer's \"{}\" is larger than {}", name, max));
  return found;
}

CertificateName certificate(const Json& object) {
  const Json& named = member(object, "certificate", Json::value_t::object);
  CertificateName out;
  const auto hash = pki::from_hex(text(named, "issuer_key_hash", kIdMax));
  if (hash.size() != out.issuer_key_hash.size()) {
    bad("the answer's \"issuer_key_hash\" is no SHA-256 in hexadecimal");
  }
  std::ranges::copy(hash, out.issuer_key_hash.begin());
  const std::string_view serial = text(named, "serial", 2 * pki::kSerialOctetsMax);
  if (serial.find_first_not_of("0123456789abcdefABCDEF") != std::string_view::npos) {
    bad("the answer's \"serial\" is not hexadecimal");
  }
  auto content = pki::serial_from_string(serial);
  if (!content) bad("the answer's \"serial\" is no serial number");
  out.serial = Redacted<std::vector<std::uint8_t>>(std::move(*content));
  return out;
}

// ---- status and state ----

struct RefusalState {
  std::string_view state;
  unsigned status;
  AuthorityRefusal refusal;
};
constexpr std::array<RefusalState, 6> kRefusals{{
    {"certificate_not_valid", 403, AuthorityRefusal::certificate_not_valid},
    {"not_found", 404, AuthorityRefusal::not_found},
    {"consent_missing", 403, AuthorityRefusal::consent_missing},
    {"consent_withdrawn", 403, AuthorityRefusal::consent_withdrawn},
    {"consent_expired", 403, AuthorityRefusal::consent_expired},
    {"item_not_consented", 403, AuthorityRefusal::item_not_consented},
}};

// "request_id_conflict", if the answer has such a word; nothing else of it may get into a log.
std::string error_word(const AuthorityReply& reply) {
  if (!is_json(reply.media_type)) return "no reason given";
  const Json parsed = Json::parse(reply.body.begin(), reply.body.end(), nullptr, false);
  if (!parsed.is_object() || !parsed.contains("error")) return "no reason given";
  const Json& error = parsed.at("error");
  if (!error.is_string()) return "no reason given";
  const auto& word = error.get_ref<const WipedString&>();
  const bool is_word = word.size() <= 64 &&
                       word.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") == WipedString::npos;
  return is_word ? std::string(word) : "no reason given";
}

[[noreturn]] void rejected(const AuthorityReply& reply) {
  throw ReplyFault(AuthorityTrouble::rejected, fmt::format("it rejected the request with {} ({})",
                                                           reply.status, error_word(reply)));
}

// The refusal that the answer is, or nothing if it has the status `success`. Status 403 and 404 say
// in their state what is refused; a 404 without one is about the address.
std::optional<AuthorityRefusal> refusal(const AuthorityReply& reply, unsigned success) {
  if (reply.status == success) return std::nullopt;
  if (reply.status != 403 && reply.status != 404) rejected(reply);
  if (!is_json(reply.media_type)) rejected(reply);
  const Json parsed = parse(reply);
  if (!parsed.contains("state")) rejected(reply);
  const std::string_view state = text(parsed, "state", kIdMax);
  for (const RefusalState& known : kRefusals) {
    // A consent that is asked for by its address is missing there, with 404.
    const bool is_status =
        known.status == reply.status || (known.refusal == AuthorityRefusal::consent_missing);
    if (known.state == state && is_status) return known.refusal;
  }
  bad(fmt::format("the answer's \"state\" is none that goes with status {}", reply.status));
}

NewerCertificate newer(const Json& object) {
  return {certificate(object), time(object, "certificate_issued_at")};
}

MappedText mapped_text(const Json& items, const char* name) {
  const Json& item = member(items, name, Json::value_t::object);
  MappedText out{redacted(item, "text"), redacted(item, "map")};
  if (out.map.reveal().find_first_not_of("0123456789") != std::string::npos) {
    bad(fmt::format("the answer's \"map\" of \"{}\" has other than digits", name));
  }
  return out;
}

FourInformation items(const Json& object, const std::vector<InformationItem>& asked) {
  const Json& given = member(object, "items", Json::value_t::object);
  const auto wants = [&](InformationItem item, const char* name) {
    return std::ranges::find(asked, item) != asked.end() && given.contains(name);
  };
  FourInformation out;
  if (wants(InformationItem::name, "name")) out.name = mapped_text(given, "name");
  if (wants(InformationItem::address, "address")) out.address = mapped_text(given, "address");
  if (wants(InformationItem::birthdate, "birthdate")) out.birthdate = redacted(given, "birthdate");
  if (wants(InformationItem::sex, "sex")) out.sex = redacted(given, "sex");
  if (!out.name && !out.address && !out.birthdate && !out.sex) {
    bad("the answer has none of the items that were asked for");
  }
  return out;
}

WithdrawalChannel channel(const Json& object) {
  const std::string_view found = text(object, "channel", kIdMax);
  if (found == "institution") return WithdrawalChannel::institution;
  if (found == "own_app") return WithdrawalChannel::own_app;
  bad("the answer's \"channel\" is neither institution nor own_app");
}

}  // namespace

std::variant<RegisteredConsent, AuthorityRefusal> read_consent(const AuthorityReply& reply) {
  if (const auto refused = refusal(reply, 201)) return *refused;
  const Json parsed = parse(reply);
  return RegisteredConsent{std::string(text(parsed, "consent", kIdMax)),
                           time(parsed, "received_at"), time(parsed, "reflected_at"),
                           time(parsed, "valid_from"), time(parsed, "valid_until")};
}

std::variant<AuthorityWithdrawal, AuthorityRefusal> read_withdrawal(const AuthorityReply& reply) {
  if (const auto refused = refusal(reply, 200)) return *refused;
  const Json parsed = parse(reply);
  const Json& withdrawal = member(parsed, "withdrawal", Json::value_t::object);
  return AuthorityWithdrawal{number(withdrawal, "sequence", INT64_MAX),
                             std::string(text(parsed, "consent", kIdMax)), time(withdrawal, "at"),
                             channel(withdrawal)};
}

// A withdrawal that gets lost would mean that data are handed over against somebody's will: so gaps
// and leaps are no answer.
WithdrawalPage read_withdrawals(const AuthorityReply& reply, std::uint64_t after,
                                std::uint32_t limit) {
  if (reply.status != 200) rejected(reply);
  const Json parsed = parse(reply);
  WithdrawalPage page;
  page.next_after = after;
  for (const Json& entry : member(parsed, "withdrawals", Json::value_t::array)) {
    if (!entry.is_object()) bad("the answer's \"withdrawals\" are not objects");
    AuthorityWithdrawal& withdrawal = page.withdrawals.emplace_back();
    withdrawal.sequence = number(entry, "sequence", INT64_MAX);
    withdrawal.authority_consent_id = text(entry, "consent", kIdMax);
    withdrawal.at = time(entry, "at");
    withdrawal.channel = channel(entry);
    if (withdrawal.sequence != ++page.next_after) {
      bad(fmt::format("the answer has withdrawal {} where {} is due", withdrawal.sequence,
                      page.next_after));
    }
  }
  if (page.withdrawals.size() > limit) bad("the answer has more withdrawals than were asked for");
  if (number(parsed, "next_after", INT64_MAX) != page.next_after) {
    bad("the answer's \"next_after\" is not its last withdrawal");
  }
  return page;
}

InformationAnswer read_information(const AuthorityReply& reply,
                                   const std::vector<InformationItem>& asked) {
  if (const auto refused = refusal(reply, 200)) return *refused;
  const Json parsed = parse(reply);
  const std::string_view state = text(parsed, "state", kIdMax);
  if (state == "no_newer_information") return NoNewerInformation{};
  if (state == "awaiting_certificate") return AwaitingCertificate{};
  if (state != "provided") bad("the answer's \"state\" is none that goes with status 200");
  ProvidedInformation out;
  out.items = items(parsed, asked);
  out.newer = newer(parsed);
  out.answered_at = time(parsed, "answered_at");
  out.billable_yen = static_cast<std::uint32_t>(number(parsed, "billable_yen", kYenMax));
  return out;
}

CertificateAnswer read_certificate(const AuthorityReply& reply) {
  if (const auto refused = refusal(reply, 200)) return *refused;
  const Json parsed = parse(reply);
  const std::string_view state = text(parsed, "state", kIdMax);
  if (state == "no_newer_information") return NoNewerInformation{};
  if (state == "awaiting_certificate") return AwaitingCertificate{};
  if (state != "newer_certificate") bad("the answer's \"state\" is none that goes with status 200");
  return newer(parsed);
}

}  // namespace server
