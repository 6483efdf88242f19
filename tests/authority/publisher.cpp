#include "authority/publisher.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace authority {
namespace {

// What a delta of `moment` says of the certificate, seen from a complete list of `base`.
std::optional<ListEntry> change_between(const IssuedCertificate& certificate, Instant base,
                                        Instant moment) {
  const auto before = entry_at(certificate, base);
  const auto after = entry_at(certificate, moment);
  if (after) return after == before ? std::nullopt : after;
  // Gone: released, or expired. A hold that began and ended since the base may have stood on a
  // delta between, so it is taken back too (RFC 5280 5.2.4).
  Instant since = before ? before->revocation_date : 0;
  bool listed = before.has_value();
  for (const Recorded& line : certificate.history) {
    if (line.at <= base || line.at > moment || line.condition == Condition::good) continue;
    since = line.revocation_date;
    listed = true;
  }
  if (!listed) return std::nullopt;
  return ListEntry{certificate.serial, since, kRemoveFromList};
}

}  // namespace

std::optional<ListEntry> entry_at(const IssuedCertificate& certificate, Instant moment) {
  if (!is_listed_at(certificate, moment)) return std::nullopt;
  const Recorded line = known_at(certificate, moment);
  const auto reason = line.condition == Condition::held ? Reason::certificate_hold : line.reason;
  ListEntry entry{certificate.serial, line.revocation_date, std::nullopt};
  if (reason) entry.reason = static_cast<std::uint8_t>(*reason);
  return entry;
}

Publisher::Publisher(const std::vector<AuthorityDescription>& authorities, Country& country,
                     const Schedule& schedule)
    : authorities_(authorities),
      country_(country),
      schedule_(schedule),
      shelves_(authorities.size()) {
  for (Shelves& shelves : shelves_) shelves.partitions.resize(country.partitions());
}

PublishedFilePointer Publisher::list(const ListName& name, std::size_t age) {
  if (name.kind == ListKind::delta && !schedule_.deltas) return nullptr;
  if (name.partition && *name.partition >= country_.partitions()) return nullptr;
  const Instant newest = schedule_.newest(name.kind, country_.now());
  if (age > 0) {
    constexpr std::size_t kAgeMax = 100'000;  // keeps the product in range
    const Instant moment =
        newest - static_cast<Instant>(std::min(age, kAgeMax)) * schedule_.interval_of(name.kind);
    return schedule_.has_number(moment) ? make(name, moment) : nullptr;
  }
  PublishedFilePointer& kept = newest_[name];
  if (!kept || kept->published_at != newest) kept = make(name, newest);
  return kept;
}

PublishedFilePointer Publisher::make(const ListName& name, Instant moment) {
  const AuthorityDescription& authority = authorities_[name.authority];
  ListContent content;
  content.this_update = moment;
  content.next_update = moment + lifetime_of(name.kind);
  content.number = schedule_.number_at(moment);
  if (name.kind == ListKind::delta) {
    content.base_number = schedule_.number_at(schedule_.base_of(moment));
  }
  if (name.partition) {
    content.distribution_point =
        distribution_point_name(authority, country_.partition_prefecture(*name.partition),
                                country_.partition_name(*name.partition));
  }
  content.entries = entries_of(name, moment);
  return std::make_shared<const PublishedFile>(
      PublishedFile{sign_list(authority.identity, content), moment});
}

template <typename Visit>
void Publisher::for_each_certificate(const ListName& name, Visit visit) {
  const auto& issued = country_.books(name.authority).certificates();
  if (!name.partition) {
    std::for_each(issued.begin(), issued.end(), visit);
    return;
  }
  Shelves& shelves = shelves_[name.authority];
  for (; shelves.sorted < issued.size(); ++shelves.sorted) {
    shelves.partitions.at(issued[shelves.sorted].partition).push_back(shelves.sorted);
  }
  for (const std::size_t index : shelves.partitions[*name.partition]) visit(issued[index]);
}

std::vector<ListEntry> Publisher::entries_of(const ListName& name, Instant moment) {
  const Instant base = schedule_.base_of(moment);
  std::vector<ListEntry> entries;
  for_each_certificate(name, [&](const IssuedCertificate& certificate) {
    const auto entry = name.kind == ListKind::complete ? entry_at(certificate, moment)
                                                       : change_between(certificate, base, moment);
    if (entry) entries.push_back(*entry);
  });
  return entries;
}

PublishedFile Publisher::issued(std::size_t authority) {
  const ListKind kind = schedule_.deltas ? ListKind::delta : ListKind::complete;
  PublishedFile file{{}, schedule_.newest(kind, country_.now())};
  for (const IssuedCertificate& certificate : country_.books(authority).certificates()) {
    if (certificate.issued_at > file.published_at) continue;
    const std::string line = hexadecimal(certificate.serial).append("\n");
    file.octets.insert(file.octets.end(), line.begin(), line.end());
  }
  return file;
}

PublishedFile Publisher::manifest(std::size_t authority, ListKind kind) const {
  std::string text = "# ";
  text.append(authorities_[authority].name).append(": ");
  text.append(kind == ListKind::complete ? "complete lists" : "deltas");
  text.append(" of all distribution points\n");
  for (std::size_t i = 0; i < country_.partitions(); ++i) {
    text.append(relative_address(i, kind)).append("\n");
  }
  return {Octets(text.begin(), text.end()), schedule_.newest(ListKind::complete, schedule_.start)};
}

std::string Publisher::relative_address(std::size_t partition, ListKind kind) const {
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), "partitions/%04zu.%s", partition,
                kind == ListKind::complete ? "crl" : "delta.crl");
  return text.data();
}

}  // namespace authority
