// ingest_run.hpp: the steps of one ingest of one issuer; only ingest_service.cpp needs to know
// them. ingest_run.cpp has the way through, ingest_build.cpp how lists become index files.
#pragma once

#include <future>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/high_water.hpp"
#include "server/index_directory.hpp"
#include "server/ingest_service.hpp"
#include "server/list_set.hpp"
#include "server/progress.hpp"

namespace server {

// One issuer's way through an ingest. Each step needs the ones before it; nothing becomes visible
// before publish().
class Ingest {
 public:
  Ingest(const Config& config, const IssuerConfig& issuer, LargeChange large_change, pki::Time now)
      : config_(config.index),
        fetch_(config.fetch),
        issuer_config_(issuer),
        large_change_(large_change),
        directory_(config.index, issuer.name),
        progress_(issuer.name),
        issuer_(issuer.certificate, now, config.index.clock_skew),
        high_water_(directory_.path()) {}

  IngestOutcome run();

 private:
  // A file of the new generation, written and not yet named.
  struct Written {
    std::unique_ptr<NewFile> file;
    std::future<void> synced;
    pki::Index index;
  };

  ListFetcher& fetcher();
  [[nodiscard]] ListFetcher::Progress fetch_progress();
  void check_issuer() const;
  [[nodiscard]] bool is_unchanged(const ListSet& set);
  void build_and_publish(const ListSet& set);
  [[nodiscard]] bool in_force_is_sound();
  void forget_others(const ListFiles& files);
  void check_total(const pki::Generation& after) const;
  void hold_back_if(std::uint64_t before, std::uint64_t now, const std::string& what) const;
  [[nodiscard]] bool few_changed(const ListSet& set) const;
  [[nodiscard]] std::int64_t overlay_bytes_max() const;
  void check_delta_bytes(const ListSet& set) const;
  void order_for_base(const ListSet& set);
  void build_base(const ListSet& set);
  [[nodiscard]] bool build_overlay(const ListSet& set, const pki::Index& base);
  template <class Visit>
  [[nodiscard]] pki::IndexedList read_list(const Candidate& candidate,
                                           Visit&& visit);  // in ingest_build.cpp
  void check_change(const Candidate& candidate, const pki::IndexedList& list) const;
  [[nodiscard]] pki::IndexDescription describe(std::uint64_t generation) const;
  [[nodiscard]] Written write(pki::IndexWriter& writer, const pki::IndexDescription& description,
                              std::uint64_t expected);
  void publish(const ListSet& set);
  void remember(const ListSet& set);
  void ingest_issued();

  const IndexConfig& config_;
  const FetchConfig& fetch_;
  const IssuerConfig& issuer_config_;
  const LargeChange large_change_;
  const IndexDirectory directory_;
  Progress progress_;
  const CrlIssuer issuer_;
  HighWater high_water_;
  std::unique_ptr<ListFetcher> fetcher_;

  std::shared_ptr<const OpenGeneration> in_force_;
  bool mends_ = false;  // the lists in force are built anew, because their index is damaged
  std::optional<SourceState> state_;
  std::uint64_t next_generation_ = 1;
  std::vector<std::size_t> list_of_;     // by complete list of the set: its number in the index
  std::vector<pki::IndexedList> lists_;  // of the new generation
  std::optional<Written> base_;
  std::optional<Written> overlay_;
  std::string shared_serial_;
  IngestOutcome outcome_;
};

}  // namespace server
