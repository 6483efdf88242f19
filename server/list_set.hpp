// list_set.hpp: the lists of one issuer as they are now, next to those in force: what is new, what
// belongs together, and whether it may be believed as a whole.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "libpki/generation.hpp"
#include "server/crl_file.hpp"
#include "server/high_water.hpp"
#include "server/source_state.hpp"

namespace server {

// One list, known by its head. Nothing of it is verified yet, unless it is in force.
struct Candidate {
  ListFile file;
  pki::IndexedList list;              // if it is in force; else only what the head says
  std::string scope_text;             // for people; empty if it is in force
  std::optional<std::size_t> before;  // the list in force of this scope and kind
  bool in_force = false;              // it is that very list
};

// All or nothing: a set that is not whole, current, and in order throws Refused.
class ListSet {
 public:
  // Looks at the head of every file that is not known by `state`, and verifies one that has the
  // number of the list in force.
  ListSet(const IssuerConfig& config, const CrlIssuer& issuer, const ListFiles& files,
          const pki::Generation* in_force, const SourceState& state, const HighWater& high_water,
          LargeChange large_change);

  // The complete lists in the order of the files; a delta applies to one of them.
  [[nodiscard]] const std::vector<Candidate>& complete() const { return complete_; }
  struct Delta {
    Candidate candidate;
    std::size_t complete = 0;  // in complete()
  };
  [[nodiscard]] const std::vector<Delta>& deltas() const { return deltas_; }

  // Every list is in force, and nothing else is.
  [[nodiscard]] bool is_in_force() const;

 private:
  [[nodiscard]] Candidate look_at(const ListFile& file, pki::CrlKind kind) const;
  void check_current(const Candidate& candidate) const;
  void compare(Candidate& candidate) const;
  void check_identity(Candidate& candidate) const;
  void check_partitions() const;
  void check_missing(LargeChange large_change) const;
  void check_rearranged() const;
  void attach_deltas(const std::vector<Candidate>& deltas);
  void check_effective(const HighWater& high_water) const;

  const IssuerConfig& config_;
  const CrlIssuer& issuer_;
  const pki::Generation* in_force_;
  const SourceState& state_;
  std::vector<Candidate> complete_;
  std::vector<Delta> deltas_;
};

}  // namespace server
