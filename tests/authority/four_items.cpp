#include "authority/four_items.hpp"

#include <algorithm>
#include <array>

#include "authority/failure.hpp"

namespace authority {
namespace {

bool is_digits(std::string_view text, char last) {
  return std::all_of(text.begin(), text.end(),
                     [last](char digit) { return digit >= '0' && digit <= last; });
}

}  // namespace

std::size_t count_characters(std::string_view utf8) {
  return static_cast<std::size_t>(std::count_if(utf8.begin(), utf8.end(), [](char octet) {
    return (static_cast<unsigned char>(octet) & 0xC0U) != 0x80U;
  }));
}

std::string plain_map(std::string_view utf8) {
  std::string map;
  map.resize(count_characters(utf8), '0');
  return map;
}

std::string birthdate_text(const CivilDate& date) {
  // The first day of each era; the first year of Meiji is early enough for anybody.
  constexpr std::array<CivilDate, 4> kLaterEras{
      {{1912, 7, 30}, {1926, 12, 25}, {1989, 1, 8}, {2019, 5, 1}}};
  const auto era = std::upper_bound(kLaterEras.begin(), kLaterEras.end(), date);
  const auto digits = static_cast<unsigned>(date.year) * 10'000U + date.month * 100U + date.day;
  const auto number = static_cast<unsigned>(era - kLaterEras.begin() + 1) * 100'000'000U + digits;
  return std::to_string(number);
}

void check(const FourItems& items) {
  const std::size_t length = count_characters(items.address);
  if (items.name.empty()) throw Failure("a name cannot be empty");
  if (length == 0 || length > kAddressCharactersMax) {
    throw Failure("the address has " + std::to_string(length) +
                  " characters; 1 to 200 are possible");
  }
  if (items.sex != "1" && items.sex != "2" && items.sex != "3") {
    throw Failure("sex is \"1\" (male), \"2\" (female) or \"3\" (unknown)");
  }
  if (items.birthdate.size() != 9 || !is_digits(items.birthdate, '9') || items.birthdate[0] > '5') {
    throw Failure("a birthdate is an era's digit (0 to 5) and YYYYMMDD, like 319800229");
  }
  if (!is_digits(items.name_map, '1') || !is_digits(items.address_map, '1')) {
    throw Failure("a substitution map has the digits 0 and 1 only");
  }
}

}  // namespace authority
