// provenance.hpp: where an answer comes from: the list that it names (RFC 6960 4.4.2), and how far
// back the lists go (4.4.4).
#pragma once

#include <optional>
#include <vector>

#include "libpki/generation.hpp"

namespace server {

// Worked out once for the lists of a generation, for any number of answers.
class Provenance {
 public:
  Provenance() = default;
  explicit Provenance(const std::vector<pki::IndexedList>& lists);

  // The number, in lists(), of the list that had the last word on what was found: the delta of its
  // scope where there is one, else the complete list. Nothing for a serial on no list of several
  // scopes, for it took all of them to say so. Cost: O(1).
  [[nodiscard]] std::optional<std::uint16_t> list_of(const pki::Finding& finding) const {
    return finding.revocation ? last_word_[finding.list] : only_scope_;
  }

  // Certificates that expired since then stay on the lists (ExpiredCertsOnCRL, X.509 8.5.2.12): the
  // latest of what the lists say, nothing if any of them does not say.
  [[nodiscard]] std::optional<pki::Time> expired_since() const { return expired_since_; }

 private:
  std::vector<std::uint16_t> last_word_;     // by list
  std::optional<std::uint16_t> only_scope_;  // its last word
  std::optional<pki::Time> expired_since_;
};

}  // namespace server
