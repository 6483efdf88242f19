// disclosures.hpp: rows of the tables `disclosure` and `usage`: what was given to whom, when, under
// which consent, and what it cost. Never the values. Sessions of the institution, where not said
// otherwise. How they begin and end: query_steps.hpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libpki/asn1_time.hpp"
#include "server/store/connection.hpp"
#include "server/store/institutions.hpp"

namespace server {

struct Disclosure {
  std::string disclosure_id;
  std::string consent_id;
  std::string subject_id;
  std::int32_t subject_version = 0;
  std::string kind = "query";           // or "match"
  std::vector<std::string> attributes;  // "name", …
  std::string purpose;
  std::string state = "started";  // completed, aborted, failed
  std::string outcome;            // empty until completed
  bool billable = false;
  std::int32_t yen = 0;
  Thumbprint thumbprint{};
  std::string asked_with;  // the certificate that the authority's question names; only written
  pki::Time started_at;
  std::optional<pki::Time> ended_at;
  std::string service_id;  // of its consent; only read
};

// Of each consent one query at a time is `started`. False, with nothing done, if another one is.
[[nodiscard]] bool insert_disclosure(Session& session, const Disclosure& disclosure);
// started or failed → started at `started_at`, of that version of the subject: its question is
// asked again, by the same key, with the same certificate, which `asked_with` tells. False if
// another one is started, and then the transaction is of no more use; or if it has ended.
[[nodiscard]] bool reopen_disclosure(Session& session, Disclosure& disclosure);
// The consent's queries that are `started` since before `before` → failed: who began them has died.
void abandon_disclosures(Session& session, const Disclosure& except, pki::Time before);
// How many comparisons of that consent at that version of the subject told something, or still may.
[[nodiscard]] std::int64_t count_matches(Session& session, const std::string& consent_id,
                                         std::int32_t subject_version);

struct DisclosurePlace {
  pki::Time started_at;
  std::string disclosure_id;
};
struct DisclosureFilter {
  std::optional<std::string> consent_id;  // or of all
  DisclosurePlace after{pki::Time{}, {}};
  std::optional<pki::Time> before;
  std::uint32_t limit = 0;
};
// Oldest first.
[[nodiscard]] std::vector<Disclosure> list_disclosures(Session& session,
                                                       const DisclosureFilter& filter);

// Which are `started` since before `before`, whoever's: platform session.
struct OpenDisclosure {
  std::string institution_id;
  std::string disclosure_id;
};
[[nodiscard]] std::vector<OpenDisclosure> open_disclosures(Session& session, pki::Time before,
                                                           std::uint32_t limit);
// started → failed. Either kind of session. False if it ended meanwhile.
bool abandon_disclosure(Session& session, const OpenDisclosure& disclosure, pki::Time now);

struct Usage {
  std::string day;   // "2026-11-22", in Japan
  std::string rule;  // "four_information", …
  std::string purpose;
  std::int64_t uses = 0;
  std::int64_t yen = 0;
};
// From day to day, both included.
[[nodiscard]] std::vector<Usage> list_usage(Session& session, const std::string& from,
                                            const std::string& to);

}  // namespace server
