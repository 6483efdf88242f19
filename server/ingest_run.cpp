#include "server/ingest_run.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "server/history.hpp"
#include "server/issued_list.hpp"
#include "server/log.hpp"

namespace server {

namespace fs = std::filesystem;

IngestOutcome Ingest::run() {
  in_force_ = directory_.newest();
  check_issuer();
  const std::vector<std::uint64_t> numbers = directory_.generations();
  next_generation_ = 1 + std::max(numbers.empty() ? 0 : numbers.back(),
                                  History(directory_.path()).newest_generation());
  const pki::Generation* const view = in_force_ ? &in_force_->view : nullptr;
  state_.emplace(directory_.path(), view != nullptr ? view->number() : 0);
  if (view != nullptr) high_water_.raise(view->lists());

  const auto get_fetcher = [this]() -> ListFetcher& { return fetcher(); };
  const ListFiles files = find_lists(issuer_config_, get_fetcher, fetch_progress());
  try {
    const ListSet set(issuer_config_, issuer_, files, view, *state_, high_water_, large_change_);
    if (!is_unchanged(set)) build_and_publish(set);
  } catch (const Refused& refused) {
    // The bytes may have been damaged on their way: take them whole the next time.
    if (fetcher_ && is_url(refused.source())) fetcher_->forget(refused.source());
    throw;
  }
  forget_others(files);
  ingest_issued();
  return outcome_;
}

void Ingest::build_and_publish(const ListSet& set) {
  if (few_changed(set)) {
    order_for_base(set);
    if (build_overlay(set, in_force_->base->index)) {
      publish(set);
      // Only now, so that nobody waits for it; what was published stands on that base.
      if (in_force_is_sound()) return;
      in_force_ = nullptr;
      outcome_ = {};
    }
  }
  std::future<bool> sound;  // what is damaged can't be compared with
  if (in_force_) sound = std::async(std::launch::async, [this] { return in_force_is_sound(); });
  build_base(set);
  if (sound.valid() && !sound.get()) in_force_ = nullptr;
  if (!set.deltas().empty() && !build_overlay(set, base_->index)) {
    throw Refused("shared_serials",
                  fmt::format("serial {} stands on several lists, so that deltas can't be applied "
                              "to one of them; leave `delta_crl` out until the issuer mends it",
                              shared_serial_));
  }
  publish(set);
}

// Reads all of the generation in force. What was damaged since it was published would show as wrong
// answers, only after a restart of the server, and in the history.
bool Ingest::in_force_is_sound() {
  const auto sound = open_generation(in_force_->head().path, Verify::everything);
  if (sound) return true;
  log(Level::error, "index_damaged",
      {{"issuer", issuer_config_.name}, {"error", pki::to_string(sound.error())}});
  mends_ = true;
  return false;
}

// Addresses that are not asked any more leave nothing behind.
void Ingest::forget_others(const ListFiles& files) {
  if (!fetcher_) return;
  std::vector<std::string> urls = {issuer_config_.crl_manifest, issuer_config_.delta_crl_manifest,
                                   issuer_config_.issued};
  for (const auto* some : {&files.complete, &files.deltas}) {
    for (const ListFile& file : *some) urls.push_back(file.source);
  }
  std::erase_if(urls, [](const std::string& source) { return !is_url(source); });
  fetcher_->keep_only(urls);
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
  if (!in_force_is_sound()) {
    in_force_ = nullptr;  // what it says can't be compared with
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

void Ingest::publish(const ListSet& set) {
  progress_.step("publish");
  const pki::Index& base = base_ ? base_->index : in_force_->base->index;
  pki::Generation after(base);
  if (overlay_) {
    const auto joined = pki::Generation::join(base, overlay_->index);
    if (!joined) throw Refused("index_unsound", pki::to_string(joined.error()));
    after = *joined;
  }
  check_total(after);
  const auto count = [this](const pki::Difference& difference) {
    ++(!difference.before  ? outcome_.added
       : !difference.after ? outcome_.removed
                           : outcome_.changed);
  };
  const History history(directory_.path());
  if (!mends_) history.append(in_force_ ? &in_force_->view : nullptr, after, count);

  for (std::optional<Written>* part : {&base_, &overlay_}) {
    if (*part) (*part)->synced.get();
  }
  // The overlay first: a base with an overlay must never be seen without it.
  for (std::optional<Written>* part : {&overlay_, &base_}) {
    if (!*part) continue;
    (*part)->file->publish(directory_.generation_path((*part)->index.generation()));
  }
  outcome_.kind = IngestOutcome::Kind::published;
  outcome_.generation = after.number();
  outcome_.is_overlay = overlay_.has_value();
  outcome_.lists = after.lists();
  outcome_.this_update = after.this_update();
  outcome_.next_update = after.next_update();
  outcome_.entry_count = after.listed_count();
  high_water_.raise(after.lists());
  remember(set);
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

// After the lists, which must not wait for it; what is wrong with it leaves the one before in
// force.
void Ingest::ingest_issued() {
  if (issuer_config_.issued.empty()) return;
  try {
    const auto get_fetcher = [this]() -> ListFetcher& { return fetcher(); };
    const ListFile file = find_file(issuer_config_.issued, get_fetcher, fetch_progress());
    const fs::path index = directory_.issued_path();
    const bool is_known = state_->find(file) == SourceState::kIssued && fs::exists(index);
    if (is_known && open_index(index, Verify::everything)) return;
    progress_.step("issued", static_cast<std::uint64_t>(file.stamp.bytes));
    index_issued_list(file, directory_, config_, issuer_.key_hash(), issuer_.now);
    state_->add(file, SourceState::kIssued);
    state_->save(outcome_.generation);
  } catch (const std::exception& error) {
    outcome_.issued_fault = error.what();
  }
}

}  // namespace server
