// status_at.hpp: was a certificate revoked or held at some time in the past?
#pragma once

#include <optional>

#include "server/history.hpp"
#include "server/index_directory.hpp"

namespace server {

// A list tells since when a certificate is revoked, not since when the list tells it: a revocation
// counts from its date on, whenever it became known.
struct StatusAt {
  std::optional<pki::Revocation> status;  // as is known now; nothing: neither revoked nor held
  // What the lists said first, where a later one corrected it: a hold that became a revocation from
  // the same date on.
  std::optional<pki::Revocation> first_word;
  pki::Time as_of;  // thisUpdate of the newest lists: what `status` rests on
  // When the entry left the list, if it did: a hold was lifted, or the certificate expired. Lists
  // only tell between which two of them.
  std::optional<pki::Time> left_after;
  std::optional<pki::Time> left_before;
};

// Joins the newest generation of an issuer with the history of what left its lists.
class StatusHistory {
 public:
  // Throws std::runtime_error if there is no index, or a damaged one.
  explicit StatusHistory(const IndexDirectory& directory);

  // Throws std::runtime_error for a time after the newest lists, and for one before the history
  // begins unless the serial is known to have been revoked then.
  // Cost: a pass over the history.
  [[nodiscard]] StatusAt at(const pki::SerialKey& key, pki::Time time) const;

 private:
  History history_;
  std::shared_ptr<const OpenGeneration> newest_;
};

}  // namespace server
