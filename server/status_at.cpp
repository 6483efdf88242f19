#include "server/status_at.hpp"

#include <fmt/format.h>

#include <stdexcept>

namespace server {

StatusHistory::StatusHistory(const IndexDirectory& directory)
    : history_(directory.path()), newest_(directory.newest()) {
  if (!newest_) {
    throw std::runtime_error(directory.path().string() + ": no index files (*.tix) here");
  }
}

StatusAt StatusHistory::at(const pki::SerialKey& key, pki::Time time) const {
  StatusAt out;
  out.as_of = newest_->view.this_update();
  if (time > out.as_of) {
    throw std::runtime_error(fmt::format("{} is not known yet: the newest lists are of {}",
                                         pki::to_string(time), pki::to_string(out.as_of)));
  }
  const auto past = history_.find(key);
  const bool is_known = past && time >= past->begins;
  // What the lists said one after the other; each word held until the next one, the last until now.
  const auto hear = [&](const pki::Revocation& revocation) {
    if (revocation.date > time) return;
    if (out.status && out.status != revocation && !out.first_word) out.first_word = out.status;
    out.status = revocation;
  };
  const auto now = newest_->view.find(key).revocation;
  for (const PastEntry& entry : past ? past->entries : std::vector<PastEntry>()) {
    if (entry.until <= time) continue;
    hear(entry.revocation);
    if (now || out.left_before || entry.was_changed) continue;
    out.left_after = entry.last_seen;
    out.left_before = entry.until;
  }
  if (now) hear(*now);
  // Of a time before the history, only what was recorded is known; silence means nothing.
  if (!is_known && !out.status) {
    throw std::runtime_error(fmt::format(
        "{} is not known any more: the history {}", pki::to_string(time),
        past ? "begins at " + pki::to_string(past->begins) : std::string("is missing")));
  }
  return out;
}

}  // namespace server
