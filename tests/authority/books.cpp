#include "authority/books.hpp"

#include <string>
#include <utility>

#include "authority/failure.hpp"

namespace authority {

void Books::issue(IssuedCertificate certificate) {
  if (!by_serial_.emplace(certificate.serial, issued_.size()).second) {
    throw Failure("serial " + hexadecimal(certificate.serial) + " was issued before");
  }
  issued_.push_back(std::move(certificate));
}

void Books::record(const Serial& serial, const Recorded& line) {
  const auto found = by_serial_.find(serial);
  if (found == by_serial_.end()) {
    throw Failure("serial " + hexadecimal(serial) + " was never issued");
  }
  std::vector<Recorded>& history = issued_[found->second].history;
  if (!history.empty() && line.at < history.back().at) {
    throw Failure("serial " + hexadecimal(serial) + ": its newest record is of " +
                  digits_of(history.back().at) + ", later than " + digits_of(line.at));
  }
  history.push_back(line);
}

const IssuedCertificate* Books::find(const Serial& serial) const {
  const auto found = by_serial_.find(serial);
  return found == by_serial_.end() ? nullptr : &issued_[found->second];
}

Recorded known_at(const IssuedCertificate& certificate, Instant moment) {
  for (auto line = certificate.history.rbegin(); line != certificate.history.rend(); ++line) {
    if (line->at <= moment) return *line;
  }
  return {certificate.issued_at, Condition::good, std::nullopt, 0};
}

bool is_listed_at(const IssuedCertificate& certificate, Instant moment) {
  return known_at(certificate, moment).condition != Condition::good &&
         moment <= certificate.not_after;
}

}  // namespace authority
