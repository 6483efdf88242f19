#include "server/ingest_service.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <future>
#include <limits>

#include "libpki/overlay.hpp"
#include "server/history.hpp"
#include "server/index_directory.hpp"
#include "server/issued_list.hpp"
#include "server/list_set.hpp"
#include "server/log.hpp"
#include "server/progress.hpp"

namespace server {
namespace {

namespace fs = std::filesystem;

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
        issuer_(issuer.certificate, now, config.index.clock_skew) {}

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
  [[nodiscard]] bool few_changed(const ListSet& set) const;
  void order_for_base(const ListSet& set);
  void build_base(const ListSet& set);
  [[nodiscard]] bool build_overlay(const ListSet& set, const pki::Index& base);
  template <class Visit>
  [[nodiscard]] pki::IndexedList read_list(const Candidate& candidate, Visit&& visit);
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
  std::unique_ptr<ListFetcher> fetcher_;

  std::shared_ptr<const OpenGeneration> in_force_;
  bool mends_ = false;  // the lists in force are built anew, because their index is damaged
  std::optional<SourceState> state_;
  std::uint64_t next_generation_ = 1;
  std::vector<std::size_t> list_of_;     // by complete list of the set: its number in the index
  std::vector<pki::IndexedList> lists_;  // of the new generation
  std::optional<Written> base_;
  std::optional<Written> overlay_;
  IngestOutcome outcome_;
};

IngestOutcome Ingest::run() {
  in_force_ = directory_.newest();
  check_issuer();
  const std::vector<std::uint64_t> numbers = directory_.generations();
  if (!numbers.empty()) next_generation_ = numbers.back() + 1;
  const pki::Generation* const view = in_force_ ? &in_force_->view : nullptr;
  state_.emplace(directory_.path(), view != nullptr ? view->number() : 0);

  const auto get_fetcher = [this]() -> ListFetcher& { return fetcher(); };
  const ListFiles files = find_lists(issuer_config_, get_fetcher, fetch_progress());
  ingest_issued();
  try {
    const ListSet set(issuer_config_, issuer_, files, view, *state_);
    if (is_unchanged(set)) return outcome_;
    const bool on_old_base = few_changed(set) && (order_for_base(set), true) &&
                             build_overlay(set, in_force_->base->index);
    if (!on_old_base) {
      build_base(set);
      if (!set.deltas().empty() && !build_overlay(set, base_->index)) {
        throw Refused("shared_serials",
                      "a serial stands on several lists, so deltas to them can't be applied");
      }
    }
    publish(set);
  } catch (const Refused&) {
    // The bytes may have been damaged on their way: take them whole the next time.
    for (const auto* some : {&files.complete, &files.deltas}) {
      for (const ListFile& file : *some) {
        if (fetcher_ && is_url(file.source) && !state_->find(file)) fetcher_->forget(file.source);
      }
    }
    throw;
  }
  return outcome_;
}

ListFetcher& Ingest::fetcher() {
  if (!fetcher_) {
    fetcher_ = std::make_unique<ListFetcher>(fetch_, directory_.path() / "fetched");
    progress_.step("fetch");
  }
  return *fetcher_;
}

ListFetcher::Progress Ingest::fetch_progress() {
  return [this](std::uint64_t done, std::uint64_t total, std::size_t, std::size_t) {
    progress_.update(done, 0, total);
  };
}

void Ingest::check_issuer() const {
  if (!in_force_) return;
  if (pki::equal(in_force_->view.head().issuer_key_hash(), issuer_.key_hash())) return;
  throw Refused("index_other_issuer",
                fmt::format("{} holds an index of another issuer key than {}; give a re-keyed CA a "
                            "`name` of its own, so that their serials never meet",
                            directory_.path().string(), issuer_config_.certificate.string()));
}

// The lists are those in force, and the index of them is sound.
bool Ingest::is_unchanged(const ListSet& set) {
  if (!set.is_in_force()) return false;
  const auto sound = open_generation(in_force_->head().path, Verify::everything);
  if (!sound) {
    log(Level::error, "index_damaged",
        {{"issuer", issuer_config_.name}, {"error", pki::to_string(sound.error())}});
    in_force_ = nullptr;  // what it says can't be compared with
    mends_ = true;
    return false;
  }
  order_for_base(set);
  remember(set);
  const pki::Generation& view = in_force_->view;
  outcome_.kind = IngestOutcome::Kind::unchanged;
  outcome_.generation = view.number();
  outcome_.is_overlay = view.overlay().has_value();
  outcome_.lists = view.lists();
  outcome_.this_update = view.this_update();
  outcome_.next_update = view.next_update();
  outcome_.entry_count = view.listed_count();
  return true;
}

// Whether an overlay on the base in force is the cheaper way: its lists are still the same parts,
// and those that were re-published since it was built are an eighth of all at most.
bool Ingest::few_changed(const ListSet& set) const {
  if (!in_force_) return false;
  const auto& base = in_force_->base->index.lists();
  std::size_t found = 0;
  std::int64_t all = 0;
  std::int64_t changed = 0;
  for (const Candidate& candidate : set.complete()) {
    const auto same = std::ranges::find(base, candidate.list.scope, &pki::IndexedList::scope);
    if (same != base.end()) ++found;
    all += candidate.file.stamp.bytes;
    const bool is_base = candidate.in_force && same != base.end() && *same == candidate.list;
    if (!is_base) changed += candidate.file.stamp.bytes;
  }
  constexpr std::int64_t kShare = 8;
  return found == base.size() && changed * kShare <= all;
}

// Numbers the complete lists as the base does, which its entries rely on; new parts come behind.
void Ingest::order_for_base(const ListSet& set) {
  const auto& base = in_force_->base->index.lists();
  std::size_t next = base.size();
  list_of_.clear();
  for (const Candidate& candidate : set.complete()) {
    const auto same = std::ranges::find(base, candidate.list.scope, &pki::IndexedList::scope);
    list_of_.push_back(same != base.end() ? static_cast<std::size_t>(same - base.begin()) : next++);
  }
}

// Reads and verifies one list, and visits its entries. What was visited is void if this throws.
template <class Visit>
pki::IndexedList Ingest::read_list(const Candidate& candidate, Visit&& visit) {
  const pki::CrlKind kind = candidate.list.base ? pki::CrlKind::delta : pki::CrlKind::complete;
  CrlFile file(candidate.file, issuer_, kind, CrlFile::Need::entries);
  const bool same_head =
      file.crl().number == candidate.list.number && file.crl().scope.id() == candidate.list.scope;
  if (!same_head) {
    throw Refused("list_changed",
                  fmt::format("{}: another list was put in its place meanwhile; try again",
                              candidate.file.source));
  }
  file.start_verification();
  const std::uint8_t* const start = file.crl().entries.data();
  const std::uint64_t before = outcome_.bytes_read;
  std::uint64_t seen = 0;
  const std::uint64_t walked = file.walk([&](const pki::CrlEntry& entry) {
    visit(entry);
    if ((++seen & 0xFFFF) == 0) {
      progress_.update(before + static_cast<std::uint64_t>(entry.serial.data() - start), seen);
    }
  });
  outcome_.bytes_read = before + file.bytes();
  const pki::IndexedList list = file.verified(walked);
  check_change(candidate, list);
  return list;
}

// A list that is right by its signature and wrong by its size is somebody's mistake elsewhere.
void Ingest::check_change(const Candidate& candidate, const pki::IndexedList& list) const {
  constexpr std::uint64_t kTooFewToTell = 1000;
  constexpr double kShrinkMax = 0.5;
  if (large_change_ == LargeChange::accept || !candidate.before || !in_force_ || list.base) return;
  const std::uint64_t before = in_force_->view.lists()[*candidate.before].entry_count;
  const bool grew = list.entry_count > before;
  const std::uint64_t change = grew ? list.entry_count - before : before - list.entry_count;
  if (change <= kTooFewToTell || (grew && !issuer_config_.change_limit)) return;
  const double limit = issuer_config_.change_limit.value_or(kShrinkMax);
  if (static_cast<double>(change) <= limit * static_cast<double>(before)) return;
  throw HeldBack(fmt::format(
      "{}: CRL number {} has {} entries, the one in force has {}: more than the `change_limit` of "
      "{:.0f} % away; look at it, then ingest with --accept-change",
      candidate.file.source, list.number.to_string(), list.entry_count, before, limit * 100));
}

pki::IndexDescription Ingest::describe(std::uint64_t generation) const {
  pki::IndexDescription out;
  out.issuer_key_hash = issuer_.key_hash();
  out.generation = generation;
  out.created_at = issuer_.now;
  out.lists = lists_;
  return out;
}

void Ingest::build_base(const ListSet& set) {
  const auto& complete = set.complete();
  lists_.clear();
  list_of_.clear();
  overlay_.reset();
  outcome_.bytes_read = 0;
  std::uint64_t bytes = 0;
  for (const Candidate& candidate : complete) {
    bytes += static_cast<std::uint64_t>(candidate.file.stamp.bytes);
  }
  progress_.step("read", bytes);
  NewFile scratch(directory_.path());
  pki::IndexWriter writer({config_.ingest_memory_bytes, 2, complete.size()}, scratch);
  std::uint64_t entries = 0;
  for (std::size_t i = 0; i < complete.size(); ++i) {
    lists_.push_back(
        read_list(complete[i], [&writer, i](const pki::CrlEntry& entry) { writer.add(entry, i); }));
    list_of_.push_back(i);
    entries += lists_.back().entry_count;
  }
  progress_.update(bytes, entries);
  progress_.step("index");
  base_ = write(writer, describe(next_generation_++), entries);
}

// False if serials are shared between lists, so that only a new base can tell.
bool Ingest::build_overlay(const ListSet& set, const pki::Index& base) {
  progress_.step("overlay");
  const auto& complete = set.complete();
  pki::OverlayBuilder builder(base, complete.size());
  lists_.assign(complete.size() + set.deltas().size(), {});
  for (std::size_t i = 0; i < complete.size(); ++i) {
    const std::size_t list = list_of_[i];
    const bool is_base =
        list < base.lists().size() &&
        (base_ || (complete[i].in_force && base.lists()[list] == complete[i].list));
    if (is_base) {
      lists_[list] = base.lists()[list];
      continue;
    }
    builder.replace(list);
    lists_[list] =
        read_list(complete[i], [&](const pki::CrlEntry& entry) { builder.add(entry, list); });
  }
  std::size_t next = complete.size();
  for (const ListSet::Delta& delta : set.deltas()) {
    const std::size_t list = list_of_[delta.complete];
    lists_[next++] = read_list(delta.candidate,
                               [&](const pki::CrlEntry& entry) { builder.add_delta(entry, list); });
  }
  if (!builder.finish()) return false;
  pki::IndexDescription description = describe(next_generation_++);
  description.base = base.reference();
  description.listed_count = builder.listed_count();
  NewFile scratch(directory_.path());
  pki::IndexWriter writer({config_.ingest_memory_bytes, 1, lists_.size()}, scratch);
  builder.write_to(writer);
  overlay_ = write(writer, description, builder.size());
  return true;
}

// Writes a file, has it flushed meanwhile, reads it again from the disk's cache and checks it.
Ingest::Written Ingest::write(pki::IndexWriter& writer, const pki::IndexDescription& description,
                              std::uint64_t expected) {
  Written out;
  out.file = std::make_unique<NewFile>(directory_.path());
  const auto written = writer.write(description, *out.file);
  if (!written) {
    throw Refused(std::string(pki::name(written.error().code)), pki::to_string(written.error()));
  }
  out.synced = std::async(std::launch::async, [file = out.file.get()] { file->sync(); });
  const auto reread = pki::Index::open(out.file->read_back());
  const bool whole = reread && reread->entry_count() == written->entry_count &&
                     written->entry_count + written->duplicate_count == expected;
  if (!whole) {
    throw Refused(
        "index_unsound",
        fmt::format("the new index in {} does not read back as it was written ({}); is the disk or "
                    "the memory failing?",
                    directory_.path().string(),
                    reread ? "counts differ" : pki::to_string(reread.error())));
  }
  out.index = *reread;
  outcome_.duplicate_count += written->duplicate_count;
  outcome_.index_bytes += written->file_bytes;
  if (written->duplicate_count > 0) {
    log(Level::warning, "duplicate_serials",
        {{"issuer", issuer_config_.name}, {"count", written->duplicate_count}});
  }
  return out;
}

void Ingest::publish(const ListSet& set) {
  progress_.step("publish");
  const pki::Index& base = base_ ? base_->index : in_force_->base->index;
  pki::Generation after(base);
  if (overlay_) {
    const auto joined = pki::Generation::join(base, overlay_->index);
    if (!joined) throw Refused("index_unsound", pki::to_string(joined.error()));
    after = *joined;
  }
  const auto count = [this](const pki::Difference& difference) {
    ++(!difference.before  ? outcome_.added
       : !difference.after ? outcome_.removed
                           : outcome_.changed);
  };
  const History history(directory_.path());
  if (!mends_) history.append(in_force_ ? &in_force_->view : nullptr, after, count);

  // The overlay first: a base with an overlay must never be seen without it.
  for (std::optional<Written>* part : {&overlay_, &base_}) {
    if (!*part) continue;
    (*part)->synced.get();
    (*part)->file->publish(directory_.generation_path((*part)->index.generation()));
  }
  outcome_.kind = IngestOutcome::Kind::published;
  outcome_.generation = after.number();
  outcome_.is_overlay = overlay_.has_value();
  outcome_.lists = after.lists();
  outcome_.this_update = after.this_update();
  outcome_.next_update = after.next_update();
  outcome_.entry_count = after.listed_count();
  remember(set);
  history.prune(issuer_.now - config_.history);
}

// Which file is which list, for the next time. A saving, so that failing is no failure.
void Ingest::remember(const ListSet& set) {
  state_->clear_lists();
  for (std::size_t i = 0; i < set.complete().size(); ++i) {
    state_->add(set.complete()[i].file, list_of_[i]);
  }
  std::size_t next = set.complete().size();
  for (const ListSet::Delta& delta : set.deltas()) state_->add(delta.candidate.file, next++);
  try {
    state_->save(overlay_ ? overlay_->index.generation()
                 : base_  ? base_->index.generation()
                          : in_force_->view.number());
  } catch (const std::system_error& error) {
    log(Level::warning, "source_state_not_written", {{"error", error.what()}});
  }
}

void Ingest::ingest_issued() {
  if (issuer_config_.issued.empty()) return;
  const auto get_fetcher = [this]() -> ListFetcher& { return fetcher(); };
  const ListFile file = find_file(issuer_config_.issued, get_fetcher, fetch_progress());
  const fs::path index = directory_.issued_path();
  const bool is_known = state_->find(file) == SourceState::kIssued && fs::exists(index);
  if (is_known && open_index(index, Verify::everything)) return;
  progress_.step("issued", static_cast<std::uint64_t>(file.stamp.bytes));
  index_issued_list(file, directory_, config_, issuer_.key_hash(), issuer_.now);
  state_->add(file, SourceState::kIssued);
}

}  // namespace

IngestOutcome ingest(const Config& config, const IssuerConfig& issuer, LargeChange large_change,
                     const std::function<pki::Time()>& clock) {
  const auto started = std::chrono::steady_clock::now();
  const IndexDirectory directory(config.index, issuer.name);
  fs::create_directories(directory.path());
  const FileLock lock(directory.path() / "lock");
  const pki::Time now = clock();  // after the wait for the lock
  directory.remove_leftovers();
  try {
    IngestOutcome outcome = Ingest(config, issuer, large_change, now).run();
    outcome.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    record_success(directory.path(), now);
    directory.tidy(config.index);
    return outcome;
  } catch (const HeldBack& held) {
    record_failure(directory.path(), now, held.reason(), held.what());
    throw;
  } catch (const Refused& refused) {
    record_failure(directory.path(), now, refused.reason());
    throw;
  } catch (const FetchError& error) {
    record_failure(directory.path(), now, error.reason());
    throw;
  } catch (const std::exception&) {
    record_failure(directory.path(), now, "failed");
    throw;
  }
}

}  // namespace server
