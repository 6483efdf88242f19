// subjects.hpp: rows of the table `subject`, one a person as one institution knows them, and what
// the platform remembers of itself. Every function names the institution and works in both kinds of
// session. New subjects and their certificates are made by watching.hpp.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libpki/asn1_time.hpp"
#include "server/store/connection.hpp"

namespace server {

struct Subject {
  std::string institution_id;
  std::string subject_id;
  std::int32_t version = 0;
  std::string state = "unchanged";
  pki::Time state_at;
  std::string known_certificate;    // whose four items the institution has
  std::string watched_certificate;  // the newest one that we know of
};

// Locks the row: before any of its consents (server/platform's order of locks).
[[nodiscard]] std::optional<Subject> lock_subject(Session& session,
                                                  const std::string& institution_id,
                                                  const std::string& subject_id);

// After an answer: the certificate whose items the institution has now, and the state. Whoever
// awaits a certificate then does so since `state_at`, and is checked then. Raises the version if
// `raise` says so. The row is locked by the caller; `subject` is as it is then.
enum class SubjectVersion : std::uint8_t { keep, raise };
void update_subject(Session& session, Subject& subject, SubjectVersion raise);

// When the authority is asked for a newer certificate, if the subject awaits one; and that it does
// not any more, where something else than update_subject() changed its state.
[[nodiscard]] std::optional<pki::Time> next_check(Session& session, const Subject& subject);
void end_wait(Session& session, const Subject& subject);

// How the authority names a certificate that is watched; the serial as it lies in the row.
struct SealedName {
  std::array<std::uint8_t, 32> issuer_key_hash{};
  std::vector<std::uint8_t> serial_sealed;
};
[[nodiscard]] std::optional<SealedName> find_certificate_name(Session& session,
                                                              const std::string& institution_id,
                                                              const std::string& certificate_id);

// What the platform remembers between runs. Platform session; empty if it was never set.
[[nodiscard]] std::string platform_state(Session& session, const std::string& name);
// Locks the name until the transaction ends, so that one server at a time goes on from it.
[[nodiscard]] std::string lock_platform_state(Session& session, const std::string& name);
void set_platform_state(Session& session, const std::string& name, const std::string& value);

}  // namespace server
