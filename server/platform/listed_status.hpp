// listed_status.hpp: what a generation says of a certificate, in the words of the platform, and
// what that does to one that is watched. Pure.
#pragma once

#include <optional>

#include "libpki/generation.hpp"
#include "libpki/x509.hpp"
#include "server/config.hpp"
#include "server/provenance.hpp"
#include "server/snapshot.hpp"
#include "server/store/certificate_changes.hpp"

namespace server {

// An issuer whose certificates are watched.
struct WatchedIssuer {
  std::string name;  // in the configuration
  IssuerKeyHash key_hash{};
  std::array<std::uint8_t, 32> spki_hash{};  // SHA-256 of the SubjectPublicKeyInfo, as in its index
};
[[nodiscard]] WatchedIssuer watched_issuer(const std::string& name,
                                           const pki::Certificate& certificate);

// When a certificate ends at the latest of which only is known when it was issued: the authority
// names a newer certificate, but does not say when it ends.
[[nodiscard]] pki::Time latest_end(const IssuerConfig& issuer, pki::Time issued_at);

// A hold is a hold, whatever else is listed is revoked, and what is on no list is good. Says
// nothing of whether the lists are still in force.
[[nodiscard]] ListedStatus listed_status(const pki::Generation& lists, const Provenance& provenance,
                                         const pki::SerialKey& key);

// Is any list of any issuer in force by that clock? If none is, either they have stopped to come or
// the clock is wrong, and nobody can tell which: then nothing ends for good because it is late
// (terms, certificates, waits for a newer one, what a feed keeps), until lists say what time it is.
// Cost: O(lists) if none is.
[[nodiscard]] bool are_lists_in_force(const Snapshot& snapshot, pki::Time now);

// Step 2 of a registration (server/store/watching.hpp), in its transaction: locks the issuer, and
// looks the certificate up in the lists that the server has. Throws IssuerBehind if these are older
// than what detection works with, and if none were ever taken in: wait a moment and try again.
// The caller has seen to it that the lists are in force.
struct CheckedStatus {
  ListedStatus status;
  std::uint64_t generation = 0;  // NewCertificate::checked_generation
};
[[nodiscard]] CheckedStatus check_for_watch(Session& session, const WatchedIssuer& issuer,
                                            const IssuerSnapshot& known, pki::Bytes serial);
// The same, where the caller has locked the issuer and has what lock_issuer() gave.
[[nodiscard]] CheckedStatus check_for_watch(const std::optional<IssuerPosition>& position,
                                            const WatchedIssuer& issuer,
                                            const IssuerSnapshot& known, pki::Bytes serial);

// What becomes of a watched certificate of which the lists say that. One that is on no list any
// more was released if it still lasts; a held one that has ended is expired.
struct Consequence {
  std::optional<CertificateChange> change;
  // The lists no longer revoke a certificate that has not expired. A revocation is for ever, so it
  // stays revoked: an operator should ask the authority.
  bool came_back = false;
};
[[nodiscard]] Consequence consequence(const WatchedCertificate& certificate,
                                      const ListedStatus& listed, pki::Time now);

}  // namespace server
