// snapshot.hpp: what is served at one moment. Immutable once it is announced, and replaced as a
// whole; a request sees one snapshot from beginning to end.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "server/index_directory.hpp"
#include "server/provenance.hpp"
#include "server/response_cache.hpp"

namespace server {

// What is known of one issuer.
struct IssuerSnapshot {
  std::shared_ptr<const OpenGeneration> lists;  // null: there is none yet
  Provenance provenance;                        // of `lists`
  std::shared_ptr<const OpenIndex> issued;      // null: not configured, or not there yet

  // Another one whenever an answer may be another one: what was signed for an earlier version is
  // not given again.
  std::uint64_t version = 0;

  std::string lists_fault;   // why a generation newer than this one was refused; or empty
  std::string issued_fault;  // the same for the list of issued serials

  void adopt_lists(std::shared_ptr<const OpenGeneration> generation) {
    lists = std::move(generation);
    provenance = Provenance(lists->view.lists());
    ++version;
  }
  void adopt_issued(std::shared_ptr<const OpenIndex> index) {
    issued = std::move(index);
    ++version;
  }
};

struct Snapshot {
  std::vector<IssuerSnapshot> issuers;       // as in the IssuerSet
  std::shared_ptr<ResponseCache> responses;  // the same for all snapshots of a keeper

  // May a response that was signed earlier be given now? It may if all that it was made of is as it
  // was. A publish of one issuer so leaves the kept answers of the others in use, on every level.
  [[nodiscard]] bool still_says(const CachedResponse& response) const {
    return std::ranges::all_of(response.sources, [this](const CachedResponse::Source& source) {
      return issuers[source.issuer].version == source.version;
    });
  }
};

}  // namespace server
