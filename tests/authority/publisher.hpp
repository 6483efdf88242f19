// Publisher makes the lists of every authority from the books, when somebody asks for them.
//
// What a list says depends on its name and its moment only: books grow, their past does not change.
// So old lists can be made again at any time, octet for octet. The newest list of each name is
// kept.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "authority/authorities.hpp"
#include "authority/country.hpp"
#include "authority/schedule.hpp"
#include "authority/signed_list.hpp"

namespace authority {

struct ListName {
  std::size_t authority = 0;
  std::optional<std::size_t> partition;  // nothing: all certificates of the authority
  ListKind kind = ListKind::complete;

  friend auto operator<=>(const ListName&, const ListName&) = default;
};

struct PublishedFile {
  Octets octets;
  Instant published_at = 0;
};
using PublishedFilePointer = std::shared_ptr<const PublishedFile>;

class Publisher {
 public:
  // All arguments must outlive the publisher.
  Publisher(const std::vector<AuthorityDescription>& authorities, Country& country,
            const Schedule& schedule);

  // The list of this name that is `age` publications older than the newest. Nothing if there is no
  // such partition, or no deltas.
  [[nodiscard]] PublishedFilePointer list(const ListName& name, std::size_t age = 0);

  // Every serial the authority had issued by the newest publication, a line each, in hexadecimal.
  [[nodiscard]] PublishedFile issued(std::size_t authority);

  // Addresses of the lists of all partitions, relative to the manifest itself.
  [[nodiscard]] PublishedFile manifest(std::size_t authority, ListKind kind) const;

  // "partitions/0042.delta.crl".
  [[nodiscard]] std::string relative_address(std::size_t partition, ListKind kind) const;

 private:
  // Which certificates of one authority belong to which partition, as indexes of its books.
  struct Shelves {
    std::size_t sorted = 0;  // so many certificates of the books are on a shelf
    std::vector<std::vector<std::size_t>> partitions;
  };

  [[nodiscard]] PublishedFilePointer make(const ListName& name, Instant moment);
  [[nodiscard]] std::vector<ListEntry> entries_of(const ListName& name, Instant moment);
  template <typename Visit>
  void for_each_certificate(const ListName& name, Visit visit);

  const std::vector<AuthorityDescription>& authorities_;
  Country& country_;
  const Schedule& schedule_;
  std::vector<Shelves> shelves_;
  std::map<ListName, PublishedFilePointer> newest_;
};

// The entry of `certificate` on a complete list made at `moment`, if it stands there.
[[nodiscard]] std::optional<ListEntry> entry_at(const IssuedCertificate& certificate,
                                                Instant moment);

}  // namespace authority
