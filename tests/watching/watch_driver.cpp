// watch_driver: registers certificates as a server would, for tests of what becomes of them.
//
//   watch_driver CONFIG INSTITUTION ISSUER < lines
//
// A line is `<serial in hex> <not_after as seconds since 1970, or ->`. Each makes a subject with
// that certificate and one active consent, in one transaction, checked against the newest
// generation that there is, and answers `<subject> <certificate> <consent> <status>`.
#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <iostream>
#include <thread>

#include "server/credentials.hpp"
#include "server/platform/listed_status.hpp"
#include "server/store/ids.hpp"
#include "server/store/sql.hpp"

namespace {

using namespace server;

constexpr Statement kConsent{
    "test_consent",
    "INSERT INTO consent (institution_id, consent_id, subject_id, service_id, status, scopes, "
    "purpose, notice_version, notice_language, notice_sha256, channel, evidence_format, "
    "evidence_sha256, nonce_sha256, signed_with, consented_at, received_at, authority_consent, "
    "valid_from, valid_until, created_at, known_certificate) SELECT $1::text, id, $3::text, "
    "'svc_test', 'active', '{attr:address}', 'test', '1', 'ja', sha256('n'), 'own_app', 'raw', "
    "sha256(id::bytea), sha256(id::bytea), $4::text, at, at, 'authority-' || id, at, "
    "at + interval '10 years', at, $4::text FROM (SELECT $2::text AS id, $5::timestamptz AS at) "
    "AS given"};

pki::Time now() {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

struct Registration {
  std::vector<std::uint8_t> serial;
  std::optional<pki::Time> not_after;
};

Registration parse(const std::string& line) {
  const auto space = line.find(' ');
  auto serial = pki::serial_from_string(line.substr(0, space));
  if (!serial || space == std::string::npos) throw std::runtime_error("a line is `serial end`");
  const std::string end = line.substr(space + 1);
  Registration out{*serial, std::nullopt};
  if (end != "-") out.not_after = pki::Time{std::chrono::seconds{std::stoll(end)}};
  return out;
}

void add(Session& session, KeyRing& keys, const WatchedIssuer& issuer, const IssuerSnapshot& known,
         const std::string& institution, const Registration& wanted) {
  const CheckedStatus checked = check_for_watch(session, issuer, known, wanted.serial);
  const std::string subject = make_id(kSubjectId);
  const std::string consent = make_id(kConsentId);
  const auto certificate =
      add_watched_certificate(session, keys,
                              {institution, subject, issuer.key_hash, wanted.serial,
                               wanted.not_after, checked.status, checked.generation},
                              now());
  if (!certificate) throw std::runtime_error("registered before");
  add_subject(session, {institution, subject, *certificate}, now());
  sql::exec(session, kConsent, institution, consent, subject, *certificate, sql::timestamp(now()));
  session.commit();
  fmt::print("{} {} {} {}\n", subject, *certificate, consent, name_of(checked.status.status));
}

int run(const char* path, const std::string& institution, const std::string& name) {
  const Config config = load_config(path);
  const IssuerConfig* issuer = config.issuer(name);
  if (!config.database || issuer == nullptr) throw std::runtime_error("no database, or no issuer");
  const auto certificate = load_certificate(issuer->certificate);
  const WatchedIssuer watched = watched_issuer(name, certificate->certificate);
  const IndexDirectory directory(config.index, name);
  Connection connection(*config.database);
  KeyRing keys(config.database->key_encryption_key);
  IssuerSnapshot known;
  for (std::string line; std::getline(std::cin, line);) {
    const Registration wanted = parse(line);
    for (int attempt = 0;; ++attempt) {
      if (auto newest = directory.newest(); newest && (attempt > 0 || !known.lists)) {
        known.adopt_lists(std::move(newest));
      }
      try {
        // Rows of other institutions must not be needed: this is the institution's own session.
        Session session(connection, institution);
        add(session, keys, watched, known, institution, wanted);
        break;
      } catch (const IssuerBehind&) {
        if (attempt == 200) throw;
        std::this_thread::sleep_for(std::chrono::milliseconds{10});
      } catch (const Conflict&) {
        if (attempt == 200) throw;
      }
    }
  }
  std::fflush(stdout);
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 4) {
    fmt::print(stderr, "usage: watch_driver CONFIG INSTITUTION ISSUER < lines\n");
    return 2;
  }
  try {
    return run(arguments[1], arguments[2], arguments[3]);
  } catch (const std::exception& error) {
    fmt::print(stderr, "watch_driver: {}\n", error.what());
    return 1;
  }
}
