// ListSite: the addresses under which lists are published, and what goes wrong there on request.
//
//   /crl/<authority>/full.crl                      all certificates of the authority
//   /crl/<authority>/delta.crl                     what changed since the base of the day
//   /crl/<authority>/partitions/<nnnn>.crl         one distribution point
//   /crl/<authority>/partitions/<nnnn>.delta.crl
//   /crl/<authority>/partitions.txt, partition-deltas.txt     relative addresses, one a line
//   /crl/<authority>/issued.txt                    serials, one a line
#pragma once

#include <string_view>
#include <vector>

#include "authority/authorities.hpp"
#include "authority/faults.hpp"
#include "authority/http_message.hpp"
#include "authority/publisher.hpp"

namespace authority {

class ListSite {
 public:
  // All must outlive the site.
  ListSite(const std::vector<AuthorityDescription>& authorities, Publisher& publisher,
           Faults& faults)
      : authorities_(authorities), publisher_(publisher), faults_(faults) {}

  [[nodiscard]] Response answer(const Request& request);

 private:
  [[nodiscard]] PublishedFilePointer find(std::string_view path, std::size_t age) const;
  [[nodiscard]] PublishedFilePointer find_in(std::size_t authority, std::string_view file,
                                             std::size_t age) const;

  const std::vector<AuthorityDescription>& authorities_;
  Publisher& publisher_;
  Faults& faults_;
};

}  // namespace authority
