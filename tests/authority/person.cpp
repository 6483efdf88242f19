#include "authority/person.hpp"

namespace authority {

std::string_view to_text(Seat seat) {
  constexpr std::array<std::string_view, kSeats> kTexts{"card signing", "card authentication",
                                                        "phone signing", "phone authentication"};
  return kTexts[static_cast<std::size_t>(seat)];
}

const ResidenceRecord& Person::record_at(Instant moment) const {
  for (auto record = records.rbegin(); record != records.rend(); ++record) {
    if (record->since <= moment) return *record;
  }
  return records.front();
}

}  // namespace authority
