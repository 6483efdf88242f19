#include <fmt/format.h>

#include <algorithm>

#include "libpki/overlay.hpp"
#include "server/ingest_run.hpp"
#include "server/log.hpp"

namespace server {

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
  return found == base.size() && changed * kShare <= all && changed <= overlay_bytes_max();
}

// How many bytes of lists may become an overlay, which is kept in memory: an entry takes about four
// times as much there.
std::int64_t Ingest::overlay_bytes_max() const {
  return static_cast<std::int64_t>(config_.ingest_memory_bytes / 4);
}

void Ingest::check_delta_bytes(const ListSet& set) const {
  std::int64_t bytes = 0;
  for (const ListSet::Delta& delta : set.deltas()) bytes += delta.candidate.file.stamp.bytes;
  if (bytes <= overlay_bytes_max()) return;
  throw Refused(
      "delta_too_large",
      fmt::format("the deltas have {} bytes together; with `ingest_memory` of {} bytes, a "
                  "quarter of that can be applied: raise it, or fetch newer complete lists",
                  bytes, config_.ingest_memory_bytes));
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
  if (!candidate.before || !in_force_ || list.base) return;
  hold_back_if(in_force_->view.lists()[*candidate.before].entry_count, list.entry_count,
               fmt::format("{}: CRL number {}", candidate.file.source, list.number.to_string()));
}

// All together: many small lists, or a set that was divided anew.
void Ingest::check_total(const pki::Generation& after) const {
  if (!in_force_) return;
  hold_back_if(in_force_->view.listed_count(), after.listed_count(), "the new generation");
}

void Ingest::hold_back_if(std::uint64_t before, std::uint64_t now, const std::string& what) const {
  constexpr std::uint64_t kTooFewToTell = 1000;
  constexpr double kShrinkMax = 0.5;
  if (large_change_ == LargeChange::accept) return;
  const bool grew = now > before;
  const std::uint64_t change = grew ? now - before : before - now;
  if (change <= kTooFewToTell || (grew && !issuer_config_.change_limit)) return;
  const double limit = issuer_config_.change_limit.value_or(kShrinkMax);
  if (static_cast<double>(change) <= limit * static_cast<double>(before)) return;
  throw HeldBack(fmt::format(
      "{} has {} entries, the one in force has {}: more than the `change_limit` of {:.0f} % away; "
      "look at it, then ingest with --accept-change",
      what, now, before, limit * 100));
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
  check_delta_bytes(set);
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
  if (!builder.finish()) {
    const auto& shared = builder.shared_serial();
    shared_serial_ = shared ? pki::serial_to_string(shared->to_der()) : "(of the base)";
    return false;
  }
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

}  // namespace server
