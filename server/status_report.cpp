#include "server/status_report.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace server {
namespace {

double seconds(pki::Time time) {
  return static_cast<double>(time.time_since_epoch().count());
}

double number(std::uint64_t count) {
  return static_cast<double>(count);
}

std::size_t count_deltas(const std::vector<pki::IndexedList>& lists) {
  return static_cast<std::size_t>(std::ranges::count_if(
      lists, [](const pki::IndexedList& list) { return list.base.has_value(); }));
}

// What the dates of the lists forbid; empty if they forbid nothing.
std::string date_fault(const pki::Generation& generation, pki::Time now,
                       std::chrono::seconds clock_skew) {
  const std::vector<pki::IndexedList>& lists = generation.lists();
  const pki::Time end = generation.freshness().of_absent().end;
  if (now >= end) {
    const auto stale = std::ranges::count_if(lists, [now](const pki::IndexedList& list) {
      return !list.base && list.next_update <= now;
    });
    const auto complete = lists.size() - count_deltas(lists);
    if (complete == 1) return fmt::format("stale: nextUpdate {} has passed", pki::to_string(end));
    return fmt::format("stale: {} of {} lists are past their nextUpdate, the first since {}", stale,
                       complete, pki::to_string(end));
  }
  const pki::Time newest = std::ranges::max(lists, {}, &pki::IndexedList::this_update).this_update;
  if (now + clock_skew < newest) {
    return fmt::format("not yet valid: thisUpdate is {}; is the clock wrong?",
                       pki::to_string(newest));
  }
  return {};
}

void describe_lists(MetricsText& text, const MetricsText::Labels& labels,
                    const IssuerSnapshot& known, pki::Time now) {
  const pki::Generation& generation = known.lists->view;
  const std::vector<pki::IndexedList>& lists = generation.lists();
  const pki::Freshness& all = generation.freshness().of_absent();
  const std::optional<pki::Index>& overlay = generation.overlay();
  const std::size_t last_word = *known.provenance.list_of({pki::Revocation{}, 0});
  const std::size_t deltas = count_deltas(lists);
  text.gauge("tashika_crl_number",
             "CRL number in force, the delta's where there is one; of the first scope if there are "
             "several (rounded above 2^53).",
             labels, lists[last_word].number.approximate());
  text.gauge("tashika_crl_this_update_timestamp_seconds",
             "thisUpdate of the list in force, the oldest if there are several.", labels,
             seconds(all.this_update));
  text.gauge("tashika_crl_next_update_timestamp_seconds",
             "nextUpdate of the complete list in force, the earliest if there are several: then "
             "answers end.",
             labels, seconds(all.end));
  text.gauge("tashika_crl_entries", "Serials that are listed by what is in force.", labels,
             number(generation.listed_count()));
  text.gauge("tashika_crl_lists", "Complete lists in force.", labels,
             number(lists.size() - deltas));
  text.gauge("tashika_crl_deltas", "Deltas in force.", labels, number(deltas));
  text.gauge("tashika_crl_delta_overdue",
             "Deltas past their nextUpdate, whose complete list is still in force.", labels,
             number(generation.freshness().overdue(now)));
  text.gauge("tashika_index_generation", "Generation of the index in force.", labels,
             number(generation.number()));
  text.gauge("tashika_index_bytes", "Size of the index in force, base and overlay.", labels,
             number(generation.base().file_bytes() + (overlay ? overlay->file_bytes() : 0)));
  text.gauge("tashika_index_overlay_entries",
             "Entries of the overlay on the base, 0 where there is none.", labels,
             number(overlay ? overlay->entry_count() : 0));
}

void describe_ingest(MetricsText& text, const MetricsText::Labels& labels,
                     const IngestRecord& record) {
  text.counter("tashika_ingest_successes_total", "Ingests that published or found nothing new.",
               labels, number(record.successes));
  text.counter("tashika_ingest_failures_total", "Ingests that were refused or failed.", labels,
               number(record.failures));
  text.gauge("tashika_ingest_last_success_timestamp_seconds", "When an ingest last succeeded.",
             labels, static_cast<double>(record.last_success));
  text.gauge("tashika_ingest_last_failure_timestamp_seconds", "When an ingest last failed.", labels,
             static_cast<double>(record.last_failure));
  text.gauge("tashika_ingest_held_back",
             "1 if a list changed more than change_limit allows and waits for --accept-change.",
             labels, record.held_back.empty() ? 0 : 1);
}

}  // namespace

std::string fault_of(const ServedIssuer& issuer, const Responder* responder,
                     const IssuerSnapshot& known, pki::Time now, std::chrono::seconds clock_skew) {
  if (!known.lists_fault.empty()) {
    return fmt::format("{}: {}",
                       known.lists ? "a newer index was refused, an older one is in force"
                                   : "the index was refused",
                       known.lists_fault);
  }
  if (!known.lists) return "no index: nothing was ingested yet";
  std::string dates = date_fault(known.lists->view, now, clock_skew);
  if (!dates.empty()) return dates;
  if (!known.issued_fault.empty()) {
    return fmt::format("{}: {}",
                       known.issued
                           ? "a newer list of issued serials was refused, an older one is in force"
                           : "the list of issued serials was refused",
                       known.issued_fault);
  }
  if (!issuer.config.issued.empty() && !known.issued) {
    return "no list of issued serials: none was ingested yet";
  }
  if (responder == nullptr) return {};
  const pki::Time end = responder->certificate->certificate.not_after;
  if (now >= end) {
    return fmt::format("the responder certificate {} expired at {}",
                       issuer.config.responder->certificate.string(), pki::to_string(end));
  }
  return {};
}

void describe_issuer(MetricsText& text, const ServedIssuer& issuer, const Responder* responder,
                     const IssuerSnapshot& known, const IngestRecord& record, pki::Time now) {
  const MetricsText::Labels labels = {{"issuer", issuer.config.name}};
  if (known.lists) describe_lists(text, labels, known, now);
  if (known.issued) {
    text.gauge("tashika_index_issued_serials", "Serials on the list of issued ones.", labels,
               number(known.issued->index.entry_count()));
  }
  text.gauge("tashika_index_newer_refused",
             "1 if a newer index was refused and an older one is in force.", labels,
             known.lists_fault.empty() ? 0 : 1);
  describe_ingest(text, labels, record);
  if (responder != nullptr) {
    text.gauge("tashika_responder_not_after_timestamp_seconds",
               "When the responder certificate ends.", labels,
               seconds(responder->certificate->certificate.not_after));
  }
}

}  // namespace server
