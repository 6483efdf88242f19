#include "server/store/audit.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "server/store/audit_sql.hpp"
#include "server/store/sql.hpp"

namespace server {
namespace {

constexpr Statement kAppend{
    "audit_append", "WITH " AUDIT_ENTRY("$1::text", "$2::text", "$3::text", "$4::text", "$5::text",
                                        "$6::text", "true") " SELECT"};
constexpr Statement kBegin{"audit_begin", "INSERT INTO audit_head VALUES ($1, 0, $2, $2)"};
constexpr Statement kHeads{"audit_heads",
                           "SELECT i.institution_id, coalesce(h.last_seq, 0), "
                           "coalesce(h.last_hash, '\\x') FROM institution i LEFT JOIN audit_head h "
                           "USING (institution_id) ORDER BY institution_id"};
constexpr Statement kRows{
    "audit_rows",
    "SELECT seq, extract(epoch FROM at)::bigint, actor, verb, object, detail, "
    "previous, hash FROM audit WHERE institution_id = $1 AND seq > $2 ORDER "
    "BY seq LIMIT 10000"};

constexpr std::array<std::uint8_t, 32> kNothing{};  // before the first row

// One institution's chain, row by row.
class Chain {
 public:
  // `anchor`: its head at an earlier time, if that is known.
  Chain(std::string institution_id, const AuditHead* anchor)
      : institution_id_(std::move(institution_id)), anchor_(anchor) {}

  // Empty, or what is wrong with the row.
  std::string add(const pqxx::row& row) {
    const auto seq = row[0].as<std::int64_t>();
    if (seq != seq_ + 1) return fmt::format("row {} is missing", seq_ + 1);
    const AuditEntry entry{row[2].as<std::string>(), row[3].as<std::string>(),
                           row[4].as<std::string>(), row[5].as<std::string>()};
    const auto previous = sql::bytes(row[6]);
    if (!pki::equal(previous, hash_)) return "it does not follow the row before it";
    const auto hash = audit_hash(institution_id_, seq, sql::time(row[1]), entry, previous);
    if (!pki::equal(hash.bytes(), sql::bytes(row[7]))) return "its content is not what was hashed";
    if (anchor_ != nullptr && seq == anchor_->seq && !pki::equal(hash.bytes(), anchor_->hash)) {
      return "it is another row than at the earlier time";
    }
    seq_ = seq;
    hash_.assign(hash.bytes().begin(), hash.bytes().end());
    return {};
  }

  // Empty, or what is missing after the last row.
  [[nodiscard]] std::string end(std::int64_t last_seq, pki::Bytes last_hash) const {
    const std::int64_t expected = std::max(last_seq, anchor_ == nullptr ? 0 : anchor_->seq);
    if (seq_ == expected && (seq_ == 0 || pki::equal(hash_, last_hash))) return {};
    return fmt::format("the chain ends before row {}, which was written", expected);
  }

  [[nodiscard]] std::int64_t seq() const { return seq_; }
  [[nodiscard]] pki::Bytes hash() const { return hash_; }

 private:
  std::string institution_id_;
  const AuditHead* anchor_;
  std::int64_t seq_ = 0;
  std::vector<std::uint8_t> hash_{kNothing.begin(), kNothing.end()};
};

}  // namespace

pki::Digest audit_hash(const std::string& institution_id, std::int64_t seq, pki::Time at,
                       const AuditEntry& entry, pki::Bytes previous) {
  return pki::digest(
      pki::DigestAlgorithm::sha256,
      pki::as_bytes(fmt::format("tashika audit 1\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}", institution_id,
                                seq, pki::to_string(at), entry.actor, entry.verb, entry.object,
                                entry.detail, pki::to_hex(previous))));
}

void require_lines(const AuditEntry& entry) {
  for (const std::string* text : {&entry.actor, &entry.verb, &entry.object, &entry.detail}) {
    if (text->find('\n') != std::string::npos) {
      throw std::logic_error("an audit entry has a line feed");
    }
  }
}

void append_audit(Session& session, pki::Time now, const AuditEntry& entry,
                  const std::string& institution_id) {
  const std::string& owner = institution_id.empty() ? session.institution_id() : institution_id;
  require_lines(entry);
  sql::post(session, kAppend, owner, sql::timestamp(now), entry.actor, entry.verb, entry.object,
            entry.detail);
}

void begin_audit(Session& session, const std::string& institution_id) {
  sql::exec(session, kBegin, institution_id, sql::bytea(kNothing));
}

AuditReport verify_audit(Session& session, const std::vector<AuditHead>& earlier,
                         const AuditProgress& told) {
  AuditReport report;
  std::set<std::string> found;
  const auto heads = sql::exec(session, kHeads);
  std::uint64_t rows_total = 0;
  for (const pqxx::row& head : heads) {
    rows_total += static_cast<std::uint64_t>(std::max(std::int64_t{0}, head[1].as<std::int64_t>()));
  }
  for (const pqxx::row& head : heads) {
    const auto institution_id = head[0].as<std::string>();
    found.insert(institution_id);
    const auto anchor = std::ranges::find(earlier, institution_id, &AuditHead::institution_id);
    Chain chain(institution_id, anchor == earlier.end() ? nullptr : &*anchor);
    std::string fault;
    for (;;) {
      const auto rows = sql::exec(session, kRows, institution_id, chain.seq());
      for (const pqxx::row& row : rows) {
        fault = chain.add(row);
        if (!fault.empty()) break;
        ++report.rows;
      }
      told(report.rows, rows_total);
      if (!fault.empty() || rows.empty()) break;
    }
    if (fault.empty()) fault = chain.end(head[1].as<std::int64_t>(), sql::bytes(head[2]));
    if (!fault.empty()) report.faults.push_back({institution_id, chain.seq() + 1, fault});
    const pki::Bytes hash = chain.hash();
    report.heads.push_back({institution_id, chain.seq(), {hash.begin(), hash.end()}});
  }
  for (const AuditHead& head : earlier) {
    if (!found.contains(head.institution_id)) {
      report.faults.push_back({head.institution_id, 1, "the institution is not there any more"});
    }
  }
  return report;
}

}  // namespace server
