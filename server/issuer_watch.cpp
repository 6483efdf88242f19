#include "server/issuer_watch.hpp"

#include <algorithm>

#include "server/log.hpp"

namespace server {
namespace {

namespace fs = std::filesystem;
using FileClock = fs::file_time_type::clock;

// A directory that changed so shortly before we looked may have changed again within the same tick
// of its clock. File systems with coarser ticks, and files changed in place, are seen within
// kLookAnyway.
constexpr std::chrono::milliseconds kTick{50};
constexpr std::chrono::milliseconds kLookAnyway{1000};

// An overlay gets its name a moment before its base does. If the base is not there after that, it
// is lost.
constexpr std::chrono::seconds kBaseDelay{10};

// After the directory was cleared: does a list of `next` come before the one of its scope in force?
bool goes_back(const pki::Generation& next, const pki::Generation& current) {
  return std::ranges::any_of(next.lists(), [&](const pki::IndexedList& list) {
    return std::ranges::any_of(current.lists(), [&](const pki::IndexedList& before) {
      return before.scope == list.scope && before.base.has_value() == list.base.has_value() &&
             list.number < before.number;
    });
  });
}

}  // namespace

IssuerWatch::IssuerWatch(const ServedIssuer& issuer, const IndexConfig& index)
    : issuer_(issuer),
      directory_(index, issuer.config.name),
      key_hash_(pki::digest(pki::DigestAlgorithm::sha256, issuer.certificate->certificate.spki)) {}

bool IssuerWatch::is_at_rest() {
  const FileTime now = FileClock::now();
  std::error_code missing;
  const FileTime changed_at = fs::last_write_time(directory_.path(), missing);
  if (changed_at == changed_at_ && looked_at_ >= changed_at + kTick &&
      now < looked_at_ + kLookAnyway) {
    return true;
  }
  changed_at_ = changed_at;
  looked_at_ = now;
  return false;
}

bool IssuerWatch::refresh(IssuerSnapshot& known) {
  const bool new_lists = attempt([&] { return refresh_lists(known); });
  if (issuer_.config.issued.empty()) return new_lists;
  return attempt([&] { return refresh_issued(known); }) || new_lists;
}

template <class Part>
bool IssuerWatch::attempt(Part&& part) {
  try {
    return part();
  } catch (const std::system_error& error) {
    if (failures_.insert(error.what()).second) {
      log(Level::warning, "index_not_read",
          {{"issuer", issuer_.config.name}, {"error", error.what()}});
    }
    return false;
  }
}

bool IssuerWatch::refresh_lists(IssuerSnapshot& known) {
  const std::shared_ptr<const OpenGeneration> current = known.lists;
  // Generations count up, unless somebody cleared the directory and they began again.
  std::error_code gone;
  const bool began_again =
      current &&
      (fs::last_write_time(current->head().path, gone) != current->head().written_at || gone);
  std::shared_ptr<const OpenGeneration> next;
  std::string fault;  // of the newest that is refused
  const std::vector<std::uint64_t> numbers = directory_.generations();
  for (auto number = numbers.rbegin(); number != numbers.rend() && !next; ++number) {
    if (current && !began_again && *number <= current->view.number()) break;
    next = open_lists(*number, current, began_again, fault);
  }
  const bool changed = next || fault != known.lists_fault;
  known.lists_fault = std::move(fault);
  if (next) {
    log_opened(next->view);
    known.adopt_lists(std::move(next));
  }
  return changed;
}

// Null if it is refused, then with the reason in `fault` unless there is one already, or not there
// yet.
std::shared_ptr<const OpenGeneration> IssuerWatch::open_lists(
    std::uint64_t number, const std::shared_ptr<const OpenGeneration>& current, bool began_again,
    std::string& fault) {
  const auto say = [&fault](const std::string& why) {
    if (fault.empty()) fault = why;
    return nullptr;
  };
  const fs::path path = directory_.generation_path(number);
  if (const std::string* why = refused_before(path)) return say(*why);
  const auto open = open_generation(path, Verify::everything, current);
  if (!open && open.error().code == pki::Errc::index_base_missing) {
    const bool is_late = FileClock::now() > fs::last_write_time(path) + kBaseDelay;
    return is_late ? say(pki::to_string(open.error())) : nullptr;
  }
  const std::string why = [&]() -> std::string {
    if (!open) return pki::to_string(open.error());
    const pki::Generation& lists = (*open)->view;
    if (lists.number() != number) return "its name is not that of its generation";
    if (!pki::equal(lists.head().issuer_key_hash(), key_hash_.bytes())) {
      return std::string(pki::explain(pki::Errc::index_other_issuer));
    }
    if (began_again && goes_back(lists, current->view)) {
      return std::string(pki::explain(pki::Errc::crl_number_decreased));
    }
    return {};
  }();
  if (why.empty()) return *open;
  refuse(path, why);
  return say(why);
}

bool IssuerWatch::refresh_issued(IssuerSnapshot& known) {
  const fs::path path = directory_.issued_path();
  std::error_code gone;
  const FileTime written_at = fs::last_write_time(path, gone);
  std::shared_ptr<const OpenIndex> next;
  std::string fault;
  if (gone || (known.issued && known.issued->written_at == written_at)) {
    // Nothing new.
  } else if (const std::string* why = refused_before(path)) {
    fault = *why;
  } else {
    const auto open = open_index(path, Verify::everything);
    if (!open) {
      fault = pki::to_string(open.error());
    } else if ((*open)->index.content() != pki::IndexContent::serials) {
      fault = "it is an index of revocations";
    } else if (!pki::equal((*open)->index.issuer_key_hash(), key_hash_.bytes())) {
      fault = std::string(pki::explain(pki::Errc::index_other_issuer));
    } else {
      next = *open;
    }
    if (!next) refuse(path, fault);
  }
  const bool changed = next || fault != known.issued_fault;
  known.issued_fault = std::move(fault);
  if (next) {
    log(Level::info, "issued_serials_opened",
        {{"issuer", issuer_.config.name}, {"serials", next->index.entry_count()}});
    known.adopt_issued(std::move(next));
  }
  return changed;
}

IssuerWatch::Stamp IssuerWatch::stamp_of(const fs::path& path) const {
  std::error_code missing;
  Stamp stamp;
  stamp.written_at = fs::last_write_time(path, missing);
  const auto head = open_index(path, Verify::head);
  if (head && (*head)->index.base()) {
    const fs::path base = directory_.generation_path((*head)->index.base()->generation);
    stamp.base_written_at = fs::last_write_time(base, missing);
  }
  return stamp;
}

const std::string* IssuerWatch::refused_before(const fs::path& path) const {
  const auto found = refusals_.find(path);
  if (found == refusals_.end() || found->second.stamp != stamp_of(path)) return nullptr;
  return &found->second.why;
}

void IssuerWatch::refuse(const fs::path& path, const std::string& why) {
  refusals_[path] = {stamp_of(path), why};
  ++open_failures_;
  log(Level::error, "index_refused",
      {{"issuer", issuer_.config.name}, {"file", path.string()}, {"error", why}});
}

void IssuerWatch::log_opened(const pki::Generation& lists) const {
  log(Level::info, "index_opened",
      {{"issuer", issuer_.config.name},
       {"generation", lists.number()},
       {"lists", lists.lists().size()},
       {"crl_number", lists.lists().front().number.to_string()},
       {"entries", lists.listed_count()},
       {"overlay_entries", lists.overlay() ? lists.overlay()->entry_count() : 0},
       {"next_update", pki::to_string(lists.freshness().of_absent().end)}});
}

}  // namespace server
