#include "authority/der_emitter.hpp"

#include <string>

namespace authority {

Octets header(std::uint8_t tag, std::uint64_t content_bytes) {
  Octets octets{tag};
  if (content_bytes < 0x80) {
    octets.push_back(static_cast<std::uint8_t>(content_bytes));
    return octets;
  }
  unsigned length_octets = 1;
  while (length_octets < 8 && content_bytes >> (8U * length_octets) != 0) ++length_octets;
  octets.push_back(static_cast<std::uint8_t>(0x80U | length_octets));
  for (unsigned i = length_octets; i > 0; --i) {
    octets.push_back(static_cast<std::uint8_t>(content_bytes >> (8U * (i - 1))));
  }
  return octets;
}

Octets element(std::uint8_t tag, std::initializer_list<OctetView> parts) {
  std::uint64_t size = 0;
  for (const OctetView part : parts) size += part.size();
  Octets octets = header(tag, size);
  for (const OctetView part : parts) octets.insert(octets.end(), part.begin(), part.end());
  return octets;
}

Octets time_element(Instant instant) {
  std::string digits = digits_of(instant);
  const bool short_form = year_of(instant) < 2050;
  if (short_form) digits.erase(0, 2);
  const Octets content(digits.begin(), digits.end());
  return element(short_form ? kUtcTime : kGeneralizedTime, {content});
}

Octets integer_element(OctetView magnitude) {
  constexpr std::uint8_t kSign[] = {0x00};
  if (!magnitude.empty() && magnitude[0] < 0x80) return element(kInteger, {magnitude});
  return element(kInteger, {kSign, magnitude});
}

}  // namespace authority
