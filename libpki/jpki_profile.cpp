#include "libpki/jpki_profile.hpp"

#include <algorithm>
#include <array>

#include "libpki/oid.hpp"

namespace pki {
namespace {

using der::Element;
using der::Reader;
using der::Tag;

// The last component of the items' OIDs.
enum Item : std::size_t { name, name_map, sex, birthdate, address, address_map, item_count };
constexpr std::array<const char*, item_count> kFields = {"name",      "name map", "sex",
                                                         "birthdate", "address",  "address map"};

std::string_view as_text(Bytes octets) {
  return {reinterpret_cast<const char*>(octets.data()), octets.size()};
}

bool is_digits(std::string_view text, char last) {
  return std::ranges::all_of(text, [last](char digit) { return digit >= '0' && digit <= last; });
}

bool starts_with(Bytes oid, Bytes arc) {
  return oid.size() > arc.size() && equal(oid.first(arc.size()), arc);
}

// An item as it was found: the element of its UTF8String.
using Found = std::array<std::optional<Element>, item_count>;

// OtherName ::= SEQUENCE { type-id OBJECT IDENTIFIER, value [0] EXPLICIT ANY }  (RFC 5280 4.2.1.6)
Result<void> read_other_name(Reader other, Found& found) {
  PKI_TRY_ASSIGN(const Element type, other.read(Tag::oid, "otherName.type-id"));
  PKI_TRY_ASSIGN(const Bytes id, der::oid(other, type, "otherName.type-id"));
  PKI_TRY_ASSIGN(Reader value, other.enter(der::context_constructed(0), "otherName.value"));
  PKI_TRY(other.finish("otherName"));
  const bool is_item = starts_with(id, oid::jpki_items) &&
                       id.size() == oid::jpki_items.size() + 1 && id.back() >= 1 &&
                       id.back() <= item_count;
  if (!is_item) return {};
  const std::size_t item = id.back() - 1U;
  PKI_TRY_ASSIGN(const Element text, value.read(Tag::utf8_string, kFields[item]));
  PKI_TRY(value.finish(kFields[item]));
  if (found[item]) return value.error_at(text, Errc::duplicate_item, kFields[item]);
  found[item] = text;
  return {};
}

class ItemReader {
 public:
  ItemReader(const Reader& names, const Found& found) : names_(names), found_(found) {}

  Result<std::optional<MappedText>> text(Item item, Item map_item, std::size_t characters_max) {
    std::optional<MappedText> text;
    if (!found_[item]) {
      if (found_[map_item]) return error(map_item, Errc::bad_item);
      return text;
    }
    const std::string_view characters = value(item);
    const auto count = count_code_points(characters);
    // DEL, and what is below the space: a line break in a name would break logs and forms.
    const bool has_control = std::ranges::any_of(
        characters, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
    if (!count || has_control) return error(item, Errc::bad_text);
    if (*count > characters_max) return error(item, Errc::item_too_long);
    text = MappedText{characters, *count, std::nullopt, true};
    if (!found_[map_item]) return text;
    const std::string_view map = value(map_item);
    if (!is_digits(map, '1')) return error(map_item, Errc::bad_item);
    if (map.size() > kMapDigitsMax) return error(map_item, Errc::item_too_long);
    text->map = map;
    text->map_fits = map.size() == *count;
    return text;
  }

  Result<std::optional<Sex>> read_sex() {
    if (!found_[sex]) return std::optional<Sex>{};
    const std::string_view digit = value(sex);
    if (digit == "1") return std::optional{Sex::male};
    if (digit == "2") return std::optional{Sex::female};
    if (digit == "3") return std::optional{Sex::unknown};
    return error(sex, Errc::bad_item);
  }

  Result<std::optional<Birthdate>> read_birthdate() {
    if (!found_[birthdate]) return std::optional<Birthdate>{};
    const auto parsed = parse_birthdate(value(birthdate));
    if (!parsed) return error(birthdate, parsed.error().code);
    return std::optional{*parsed};
  }

 private:
  [[nodiscard]] std::string_view value(Item item) const { return as_text(found_[item]->content); }
  [[nodiscard]] Error error(Item item, Errc code) const {
    return names_.error_at(*found_[item], code, kFields[item]);
  }

  const Reader& names_;
  const Found& found_;
};

bool is_allowed(const Certificate& certificate, std::span<const Bytes> policies) {
  return std::ranges::any_of(certificate.policies(), [&](Bytes policy) {
    if (policies.empty()) return starts_with(policy, oid::jpki_policies);
    return std::ranges::any_of(policies, [&](Bytes allowed) { return equal(policy, allowed); });
  });
}

}  // namespace

std::optional<std::chrono::year_month_day> Birthdate::date() const {
  if (!year || !month || !day) return std::nullopt;
  const std::chrono::year_month_day whole{std::chrono::year{*year},
                                          std::chrono::month{static_cast<unsigned>(*month)},
                                          std::chrono::day{static_cast<unsigned>(*day)}};
  if (!whole.ok()) return std::nullopt;
  return whole;
}

Result<Birthdate> parse_birthdate(std::string_view text) {
  const Error bad{Errc::bad_item, 0, "birthdate"};
  if (text.size() != 9 || !is_digits(text, '9') || text[0] > '5') return bad;
  const auto number = [&](std::size_t at, std::size_t count) -> std::optional<int> {
    int value = 0;
    for (const char digit : text.substr(at, count)) value = value * 10 + (digit - '0');
    return value == 0 ? std::nullopt : std::optional{value};
  };
  const Birthdate date{text[0], number(1, 4), number(5, 2), number(7, 2), text};
  if (date.month.value_or(1) > 12 || date.day.value_or(1) > 31) return bad;
  return date;
}

Result<FourInformation> read_four_information(Bytes subject_alt_name) {
  FourInformation items;
  if (subject_alt_name.empty()) return items;
  Reader input(subject_alt_name);
  PKI_TRY_ASSIGN(Reader names, input.enter(Tag::sequence, "subjectAltName"));
  PKI_TRY(input.finish("subjectAltName"));
  if (names.empty()) return names.error(Errc::empty_sequence, "subjectAltName");
  Found found;
  while (!names.empty()) {
    PKI_TRY_ASSIGN(const Element general_name, names.any("GeneralName"));
    if (general_name.tag != der::context_constructed(0)) continue;
    PKI_TRY(read_other_name(Reader(names, general_name), found));
  }
  ItemReader reader(input, found);
  PKI_TRY_ASSIGN(items.name, reader.text(Item::name, name_map, kNameCharactersMax));
  PKI_TRY_ASSIGN(items.address, reader.text(Item::address, address_map, kAddressCharactersMax));
  PKI_TRY_ASSIGN(items.sex, reader.read_sex());
  PKI_TRY_ASSIGN(items.birthdate, reader.read_birthdate());
  return items;
}

Result<FourInformation> read_four_information(const Certificate& certificate) {
  return read_four_information(certificate.subject_alt_name);
}

Result<void> check_signing_certificate(const Certificate& certificate,
                                       std::span<const Bytes> policies) {
  if (certificate.is_ca) return Error{Errc::certificate_kind, 0, "basicConstraints"};
  const auto& usage = certificate.key_usage;
  if (!usage || !usage->bit(0) || !usage->bit(1)) return Error{Errc::key_usage, 0, "keyUsage"};
  if (certificate.unknown_critical) {
    return Error{Errc::unknown_critical_extension, 0, "extensions"};
  }
  PKI_TRY_ASSIGN(const FourInformation items, read_four_information(certificate));
  if (!items.is_complete()) return Error{Errc::certificate_kind, 0, "subjectAltName"};
  if (!is_allowed(certificate, policies)) {
    return Error{Errc::certificate_policy, 0, "certificatePolicies"};
  }
  return {};
}

}  // namespace pki
