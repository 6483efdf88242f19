// fuzz_four_information.cpp: the four items of a subjectAltName against OpenSSL's GENERAL_NAMES.
//
// Every item that is accepted is one that OpenSSL reads, with the same octets; written anew, the
// items read back the same. The target checks itself first: it must accept a whole person.
#include <string>

#include "fuzz_support.hpp"
#include "libpki/jpki_profile.hpp"
#include "libpki/oid.hpp"

namespace {

using NamesPointer = std::unique_ptr<GENERAL_NAMES, fuzz::Deleter<GENERAL_NAMES_free>>;

std::string_view sex_digit(pki::Sex sex) {
  return sex == pki::Sex::male ? "1" : sex == pki::Sex::female ? "2" : "3";
}

// The text of each item, in the order of the OIDs; nothing where it is absent.
std::vector<std::optional<std::string>> texts_of(const pki::FourInformation& items) {
  std::vector<std::optional<std::string>> texts(6);
  const auto mapped = [&](const std::optional<pki::MappedText>& item, std::size_t at) {
    if (!item) return;
    texts[at] = item->text;
    if (item->map) texts[at + 1] = *item->map;
    FUZZ_CHECK(pki::count_code_points(item->text) == item->characters);
    FUZZ_CHECK(item->map_fits == (!item->map || item->map->size() == item->characters));
  };
  mapped(items.name, 0);
  if (items.sex) texts[2] = sex_digit(*items.sex);
  if (items.birthdate) texts[3] = items.birthdate->raw;
  mapped(items.address, 4);
  return texts;
}

std::vector<std::uint8_t> write(const std::vector<std::optional<std::string>>& texts) {
  pki::der::Writer writer;
  writer.sequence([&] {
    for (std::size_t i = 0; i < texts.size(); ++i) {
      if (!texts[i]) continue;
      auto id = pki::to_vector(pki::oid::jpki_items);
      id.push_back(static_cast<std::uint8_t>(i + 1));
      writer.constructed(pki::der::context_constructed(0), [&] {
        writer.oid(id);
        writer.constructed(pki::der::context_constructed(0), [&] {
          writer.primitive(pki::der::Tag::utf8_string, pki::as_bytes(*texts[i]));
        });
      });
    }
  });
  return writer.take();
}

// The UTF8String of an item's OID as OpenSSL finds it; nothing if it finds none.
std::optional<std::string> find(const GENERAL_NAMES* names, std::size_t item) {
  const std::string wanted = "1.2.392.200149.8.5.5." + std::to_string(item + 1);
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names, i);
    if (name->type != GEN_OTHERNAME) continue;
    std::array<char, 128> dotted{};
    OBJ_obj2txt(dotted.data(), dotted.size(), name->d.otherName->type_id, 1);
    if (wanted != dotted.data()) continue;
    const ASN1_TYPE* const value = name->d.otherName->value;
    FUZZ_CHECK(value->type == V_ASN1_UTF8STRING);
    const pki::Bytes octets = fuzz::octets_of(value->value.utf8string);
    return std::string(octets.begin(), octets.end());
  }
  return std::nullopt;
}

void check_accepted(const pki::FourInformation& items, pki::Bytes input) {
  const auto texts = texts_of(items);
  const auto theirs = fuzz::decode<NamesPointer>(d2i_GENERAL_NAMES, input);
  for (std::size_t item = 0; theirs && item < texts.size(); ++item) {
    FUZZ_CHECK(find(theirs.get(), item) == texts[item]);
  }
  const auto written = write(texts);
  if (items.birthdate) {
    const auto again = pki::parse_birthdate(items.birthdate->raw);
    FUZZ_CHECK(again.has_value() && again->year == items.birthdate->year);
    const auto date = items.birthdate->date();
    if (date) FUZZ_CHECK(int{date->year()} == *items.birthdate->year);
  }
  const bool is_empty = written.size() == 2;  // names, but no items
  const auto again = pki::read_four_information(written);
  FUZZ_CHECK(again.has_value() != is_empty);
  if (again) FUZZ_CHECK(texts_of(*again) == texts);
}

bool accepts_a_person() {
  const auto whole = write({"確野　太郎", "00000", "1", "319800229", "東京都", "000"});
  const auto items = pki::read_four_information(whole);
  return items.has_value() && items->is_complete();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::Run run;
  static const bool is_ready = accepts_a_person();
  FUZZ_CHECK(is_ready);
  const pki::Bytes input(data, size);
  const auto items = pki::read_four_information(input);
  fuzz::check_refusal(items, size);
  if (items && size > 0) check_accepted(*items, input);
  return 0;
}
