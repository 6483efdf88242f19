#include "server/list_set.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "server/log.hpp"

namespace server {

namespace {

bool is_part(const Candidate& candidate) {
  return candidate.list.scope != pki::ScopeId{};
}

// A list by what people know of it: the file, and the part of the certificates that it covers.
std::string name_of(const Candidate& candidate) {
  if (candidate.scope_text.empty() || !is_part(candidate)) return candidate.file.source;
  return fmt::format("{} ({})", candidate.file.source, candidate.scope_text);
}

[[noreturn]] void refuse_order(const Candidate& candidate, pki::Errc code, std::string_view what,
                               const std::string& is, const std::string& was) {
  throw Refused(std::string(pki::name(code)),
                fmt::format("{}: {}: this list has {} {}, the one in force has {}",
                            name_of(candidate), pki::explain(code), what, is, was));
}

}  // namespace

ListSet::ListSet(const IssuerConfig& config, const CrlIssuer& issuer, const ListFiles& files,
                 const pki::Generation* in_force, const SourceState& state,
                 const HighWater& high_water, LargeChange large_change)
    : config_(config), issuer_(issuer), in_force_(in_force), state_(state) {
  for (const ListFile& file : files.complete) {
    complete_.push_back(look_at(file, pki::CrlKind::complete));
    check_current(complete_.back());
  }
  std::vector<Candidate> deltas;
  for (const ListFile& file : files.deltas) deltas.push_back(look_at(file, pki::CrlKind::delta));
  check_partitions();
  check_rearranged();
  check_missing(large_change);
  attach_deltas(deltas);
  check_effective(high_water);
  for (Candidate& candidate : complete_) check_identity(candidate);
  for (Delta& delta : deltas_) check_identity(delta.candidate);
}

Candidate ListSet::look_at(const ListFile& file, pki::CrlKind kind) const {
  Candidate out;
  out.file = file;
  const auto known = state_.find(file);
  const bool is_known =
      known && in_force_ != nullptr && *known < in_force_->lists().size() &&
      in_force_->lists()[*known].base.has_value() == (kind == pki::CrlKind::delta);
  if (is_known) {
    out.list = in_force_->lists()[*known];
    out.before = known;
    out.in_force = true;
    return out;
  }
  const CrlFile head(file, issuer_, kind, CrlFile::Need::head);
  const pki::Crl& crl = head.crl();
  out.list.number = crl.number;
  out.list.this_update = crl.this_update;
  out.list.next_update = crl.next_update;
  out.list.scope = crl.scope.id();
  out.list.base = crl.base;
  out.scope_text = pki::to_string(crl.scope);
  compare(out);
  return out;
}

void ListSet::check_current(const Candidate& candidate) const {
  if (issuer_.now < candidate.list.next_update) return;
  throw Refused(
      "expired",
      fmt::format("{}: the list ended: nextUpdate is {}, and it is {} now", name_of(candidate),
                  pki::to_string(candidate.list.next_update), pki::to_string(issuer_.now)));
}

// RFC 5280 5.2.3: numbers rise with each list of an issuer and scope.
void ListSet::compare(Candidate& candidate) const {
  if (in_force_ == nullptr) return;
  const auto& lists = in_force_->lists();
  const auto found = std::ranges::find_if(lists, [&](const pki::IndexedList& list) {
    return list.scope == candidate.list.scope &&
           list.base.has_value() == candidate.list.base.has_value();
  });
  if (found == lists.end()) return;
  candidate.before = static_cast<std::size_t>(found - lists.begin());
  if (candidate.list.number < found->number) {
    refuse_order(candidate, pki::Errc::crl_number_decreased, "CRL number",
                 candidate.list.number.to_string(), found->number.to_string());
  }
  if (candidate.list.this_update < found->this_update) {
    refuse_order(candidate, pki::Errc::this_update_decreased, "thisUpdate",
                 pki::to_string(candidate.list.this_update), pki::to_string(found->this_update));
  }
}

// A list with the number of the one in force is that very list, or must not be used.
void ListSet::check_identity(Candidate& candidate) const {
  if (candidate.in_force || !candidate.before) return;
  const pki::IndexedList& before = in_force_->lists()[*candidate.before];
  if (candidate.list.number != before.number) return;
  const pki::CrlKind kind = before.base ? pki::CrlKind::delta : pki::CrlKind::complete;
  CrlFile file(candidate.file, issuer_, kind, CrlFile::Need::entries);
  if (file.verified().identity != before.identity) {
    throw Refused(
        "crl_number_reused",
        fmt::format("{}: CRL number {} is that of the list in force ({}), but the bytes are "
                    "others; an issuer must count up (RFC 5280 5.2.3)",
                    name_of(candidate), before.number.to_string(),
                    pki::to_string(before.this_update)));
  }
  candidate.list = before;
  candidate.in_force = true;
}

// What a set of complete lists must be to speak for all certificates of the issuer.
void ListSet::check_partitions() const {
  std::map<pki::ScopeId, const Candidate*> by_scope;
  for (const Candidate& candidate : complete_) {
    const auto [other, is_new] = by_scope.try_emplace(candidate.list.scope, &candidate);
    if (!is_new) {
      throw Refused("scope_twice",
                    fmt::format("{} and {} cover the same certificates; give one of them",
                                other->second->file.source, name_of(candidate)));
    }
  }
  const auto whole = by_scope.find(pki::ScopeId{});
  if (whole != by_scope.end() && complete_.size() > 1) {
    throw Refused("scope_mixed",
                  fmt::format("{} covers all certificates, so the other {} lists must not be there",
                              whole->second->file.source, complete_.size() - 1));
  }
  if (config_.partitions != 0 && complete_.size() != config_.partitions) {
    throw Refused("partitions_missing", fmt::format("there are {} lists, but `partitions` says {}",
                                                    complete_.size(), config_.partitions));
  }
  // Whoever names one part and forgets the others would have "good" said of revoked certificates.
  if (complete_.size() == 1 && is_part(complete_.front()) && config_.partitions != 1) {
    throw Refused("partitions_missing",
                  fmt::format("{} is only a part of the issuer's lists; name all of them under "
                              "`crl`, or say `partitions = 1` if there are no others",
                              name_of(complete_.front())));
  }
}

// A part that was there must not go away unnoticed, nor a complete list be divided into parts of
// which one was forgotten.
void ListSet::check_missing(LargeChange large_change) const {
  if (in_force_ == nullptr || large_change == LargeChange::accept) return;
  if (std::ranges::none_of(complete_, is_part)) return;  // a whole list covers whatever there was
  const auto& lists = in_force_->lists();
  const auto before = static_cast<std::size_t>(std::ranges::count_if(
      lists, [](const pki::IndexedList& list) { return !list.base.has_value(); }));
  for (const pki::IndexedList& list : lists) {
    if (list.base) continue;
    const bool was_whole = list.scope == pki::ScopeId{};
    const bool is_there = std::ranges::any_of(
        complete_, [&](const Candidate& candidate) { return candidate.list.scope == list.scope; });
    // Only fewer parts than before can be what the operator means by a smaller number.
    const bool is_meant =
        config_.partitions == complete_.size() && (was_whole || complete_.size() < before);
    if (is_there || is_meant) continue;
    throw HeldBack(
        fmt::format("a list of the generation in force is missing: number {} of {}, scope {}…; if "
                    "it was given up, ingest with --accept-change or say `partitions = {}`",
                    list.number.to_string(), pki::to_string(list.this_update),
                    was_whole ? "everything" : pki::to_hex(list.scope).substr(0, 16),
                    complete_.size()),
        "partitions_missing");
  }
}

// Where lists are divided in another way than before, or one part takes the place of another, there
// are no numbers to compare. The dates must not go back all the same.
void ListSet::check_rearranged() const {
  if (in_force_ == nullptr) return;
  const bool all_there = std::ranges::all_of(in_force_->lists(), [&](const pki::IndexedList& list) {
    return list.base || std::ranges::any_of(complete_, [&](const Candidate& candidate) {
             return candidate.list.scope == list.scope;
           });
  });
  if (all_there) return;
  const pki::Time newest =
      std::ranges::max(in_force_->lists(), {}, &pki::IndexedList::this_update).this_update;
  for (const Candidate& candidate : complete_) {
    if (candidate.before || candidate.list.this_update >= newest) continue;
    refuse_order(candidate, pki::Errc::this_update_decreased, "thisUpdate",
                 pki::to_string(candidate.list.this_update), pki::to_string(newest));
  }
}

// RFC 5280 5.2.4: a delta applies to a complete list of its scope whose number is at least that of
// its base and lower than its own.
void ListSet::attach_deltas(const std::vector<Candidate>& deltas) {
  std::map<pki::ScopeId, const Candidate*> seen;
  for (const Candidate& delta : deltas) {
    const auto [other, is_new] = seen.try_emplace(delta.list.scope, &delta);
    if (!is_new) {
      throw Refused("scope_twice", fmt::format("{} and {} are deltas for the same certificates",
                                               other->second->file.source, name_of(delta)));
    }
    const auto complete = std::ranges::find_if(complete_, [&](const Candidate& candidate) {
      return candidate.list.scope == delta.list.scope;
    });
    if (complete == complete_.end()) {
      throw Refused("delta_scope",
                    fmt::format("{}: there is no complete list for the part that this delta is of",
                                name_of(delta)));
    }
    if (delta.list.number <= complete->list.number) {
      log(Level::info, "delta_superseded",
          {{"delta", delta.file.source},
           {"number", delta.list.number.to_string()},
           {"complete", complete->list.number.to_string()}});
      continue;
    }
    if (delta.list.this_update < complete->list.this_update) {
      throw Refused(
          "delta_order",
          fmt::format("{}: this delta has the higher number, but is older than the "
                      "complete list {}: {} against {}; an issuer must count both in one "
                      "sequence (RFC 5280 5.2.3)",
                      name_of(delta), complete->file.source, pki::to_string(delta.list.this_update),
                      pki::to_string(complete->list.this_update)));
    }
    if (delta.list.next_update <= issuer_.now) {
      // Newer ones are late. What this one says still counts; answers go by the complete list.
      log(Level::warning, "delta_overdue",
          {{"delta", delta.file.source}, {"next_update", pki::to_string(delta.list.next_update)}});
    }
    if (*delta.list.base > complete->list.number) {
      throw Refused("delta_base",
                    fmt::format("{}: this delta builds on list {}, but {} is number {}; fetch the "
                                "newer complete list",
                                name_of(delta), delta.list.base->to_string(), complete->file.source,
                                complete->list.number.to_string()));
    }
    const auto at = static_cast<std::size_t>(complete - complete_.begin());
    deltas_.push_back({delta, at});
  }
}

// What complete list and delta together know must not grow older either; even where the index that
// knew more is damaged or gone.
void ListSet::check_effective(const HighWater& high_water) const {
  for (std::size_t i = 0; i < complete_.size(); ++i) {
    const Candidate& complete = complete_[i];
    const HighWater::Mark* const mark = high_water.find(complete.list.scope);
    if (mark == nullptr) continue;
    const auto delta = std::ranges::find(deltas_, i, &Delta::complete);
    const bool has_delta = delta != deltas_.end();
    const pki::IndexedList& newest = has_delta ? delta->candidate.list : complete.list;
    const std::string_view alone = has_delta ? "" : " and no delta";
    if (newest.number < mark->number) {
      refuse_order(complete, pki::Errc::crl_number_decreased, "CRL number",
                   fmt::format("{}{}", newest.number.to_string(), alone),
                   mark->number.to_string() + ", perhaps by a delta");
    }
    if (newest.this_update < mark->this_update) {
      refuse_order(complete, pki::Errc::this_update_decreased, "thisUpdate",
                   fmt::format("{}{}", pki::to_string(newest.this_update), alone),
                   pki::to_string(mark->this_update));
    }
  }
}

bool ListSet::is_in_force() const {
  return in_force_ != nullptr && in_force_->lists().size() == complete_.size() + deltas_.size() &&
         std::ranges::all_of(complete_, &Candidate::in_force) &&
         std::ranges::all_of(deltas_, [](const Delta& d) { return d.candidate.in_force; });
}

}  // namespace server
