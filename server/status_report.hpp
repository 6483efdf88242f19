// status_report.hpp: what operators see of the issuers: which are ready, why the others are not,
// and the gauges of each.
#pragma once

#include <chrono>
#include <string>

#include "server/ingest_record.hpp"
#include "server/issuer_set.hpp"
#include "server/metrics.hpp"
#include "server/snapshot.hpp"

namespace server {

// Why an issuer can't be answered for in full now, or only with what is not the newest there is, in
// words for people; empty if all is well. A delta that is overdue and a list that is held back are
// no fault: what is in force is right, and metrics show them. Without a responder (null), OCSP is
// not served, and the lists are all that is looked at.
[[nodiscard]] std::string fault_of(const ServedIssuer& issuer, const Responder* responder,
                                   const IssuerSnapshot& known, pki::Time now,
                                   std::chrono::seconds clock_skew);

// The gauges and counters of one issuer, labelled with its name. Cost: O(lists).
void describe_issuer(MetricsText& text, const ServedIssuer& issuer, const Responder* responder,
                     const IssuerSnapshot& known, const IngestRecord& record, pki::Time now);

}  // namespace server
