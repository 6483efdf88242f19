#include "authority/persona.hpp"

#include <array>
#include <string>

namespace authority {
namespace {

using Word = std::string_view;

constexpr std::array<Word, 30> kSurnames{
    "佐藤", "鈴木", "高橋",   "田中", "伊藤", "渡辺", "山本",   "中村", "小林", "加藤",
    "吉田", "山田", "佐々木", "山口", "松本", "井上", "木村",   "林",   "斎藤", "清水",
    "山崎", "森",   "池田",   "橋本", "阿部", "石川", "長谷川", "小川", "前田", "五十嵐"};
constexpr std::array<Word, 20> kFemaleNames{
    "花子", "結衣",   "陽菜", "さくら", "美咲", "葵",     "彩",   "恵子", "洋子", "久美子",
    "裕子", "真由美", "京子", "幸子",   "文子", "みどり", "マリ", "ゆり", "千代", "凛"};
constexpr std::array<Word, 20> kMaleNames{"太郎", "翔太", "蓮",   "大翔", "健",   "誠",   "浩",
                                          "茂",   "隆",   "一郎", "健太", "大輔", "拓也", "学",
                                          "剛",   "勇",   "清",   "正",   "陽翔", "ケン"};
constexpr std::array<Word, 10> kTowns{"本町", "中央", "栄町", "緑町", "新町",
                                      "旭町", "幸町", "元町", "港町", "大手町"};
constexpr std::array<Word, 10> kHouses{"メゾン", "コーポ",   "ハイツ", "グランド", "パーク",
                                       "サン",   "ロイヤル", "第一",   "第二",     "リバーサイド"};
constexpr std::array<Word, 10> kWideDigits{"０", "１", "２", "３", "４",
                                           "５", "６", "７", "８", "９"};
constexpr std::size_t kWatanabe = 5;  // 辺 stands in for one of its many shapes
constexpr Word kWideSpace = "　";

std::string wide(std::uint64_t number) {
  std::string text;
  for (const char digit : std::to_string(number)) {
    text += kWideDigits[static_cast<std::size_t>(digit - '0')];
  }
  return text;
}

std::string joined(std::initializer_list<Word> parts) {
  std::string text;
  for (const Word part : parts) text += part;
  return text;
}

// "本町３丁目１２番４号" and, for every third, "　メゾン緑町２０１号室".
std::string draw_street(Dice& dice) {
  std::string text(dice.pick(kTowns));
  text += wide(1 + dice.below(9)) + "丁目";
  text += wide(1 + dice.below(30)) + "番";
  text += wide(1 + dice.below(20)) + "号";
  if (!dice.chance(33)) return text;
  text += joined({kWideSpace, dice.pick(kHouses), dice.pick(kTowns)});
  text += wide(100 * (1 + dice.below(9)) + 1 + dice.below(8)) + "号室";
  return text;
}

// Appends until the address has all of the 200 characters that it may have.
void fill(std::string& address) {
  constexpr std::array<Word, 5> kFilling{"グ", "ラ", "ン", "デ", "－"};
  for (std::size_t i = 0; count_characters(address) < kAddressCharactersMax; ++i) {
    address += kFilling[i % kFilling.size()];
  }
}

// Takes the last character off: the octets that continue it, then the one that begins it.
void drop_character(std::string& text) {
  while ((static_cast<unsigned char>(text.back()) & 0xC0U) == 0x80U) text.pop_back();
  text.pop_back();
}

void mark(std::string& map, std::size_t position) {
  if (position < map.size()) map[position] = '1';
}

std::string surname_of(const Persona& persona) {
  switch (persona.trait) {
    case Trait::surrogate_pair: return "\U00020BB7田";        // 𠮷, not 吉
    case Trait::variation_selector: return "葛\U000E0100城";  // one of the glyphs of 葛
    default: return std::string(kSurnames[persona.surname]);
  }
}

}  // namespace

std::string_view to_text(Trait trait) {
  constexpr std::array<Word, kTraits> kTexts{
      "ordinary",         "substitute_characters", "map_of_other_length", "unknown_birth_day",
      "unknown_sex",      "former_surname",        "foreigner",           "abroad",
      "longest_address",  "surrogate_pair",        "variation_selector",  "long_serial",
      "unknown_birthdate"};
  return kTexts[static_cast<std::size_t>(trait)];
}

Persona make_persona(std::uint32_t id, Dice& dice) {
  Persona persona;
  persona.female = dice.chance(51);
  persona.surname = static_cast<std::size_t>(dice.below(kSurnames.size()));
  persona.given = static_cast<std::size_t>(dice.below(kMaleNames.size()));
  const bool awkward = dice.chance(5);
  const auto which = static_cast<std::size_t>(1 + dice.below(kTraits - 1));
  if (id < kTraits) {
    persona.trait = static_cast<Trait>(id);
  } else if (awkward) {
    persona.trait = static_cast<Trait>(which);
  }
  if (persona.trait == Trait::substitute_characters) persona.surname = kWatanabe;
  if (persona.trait == Trait::former_surname) {
    persona.former_surname = (persona.surname + 1) % kSurnames.size();
  }
  return persona;
}

void marry(Persona& persona, Dice& dice) {
  const std::size_t before = persona.surname;
  persona.surname =
      static_cast<std::size_t>((before + 1 + dice.below(kSurnames.size() - 1)) % kSurnames.size());
  persona.former_surname.reset();
  if (dice.chance(40) || persona.trait == Trait::former_surname) persona.former_surname = before;
  // A name that was awkward by its surname is ordinary from now on.
  if (persona.trait == Trait::surrogate_pair || persona.trait == Trait::variation_selector) {
    persona.trait = Trait::ordinary;
  }
}

void write_name(FourItems& items, const Persona& persona) {
  if (persona.trait == Trait::foreigner) {
    items.name = joined({"NGUYEN THI ANH（", kSurnames[persona.surname], "　アン）"});
    if (persona.former_surname)
      items.name += joined({"［", kSurnames[*persona.former_surname], "］"});
    items.name_map = plain_map(items.name);
    return;
  }
  items.name = surname_of(persona);
  if (persona.former_surname)
    items.name += joined({"［", kSurnames[*persona.former_surname], "］"});
  items.name += kWideSpace;
  items.name += persona.female ? kFemaleNames[persona.given] : kMaleNames[persona.given];
  items.name_map = plain_map(items.name);
  if (persona.trait == Trait::substitute_characters) {
    mark(items.name_map, count_characters(kSurnames[persona.surname]) - 1);
  }
  if (persona.trait == Trait::map_of_other_length) items.name_map += "0000";
}

void write_address(FourItems& items, const Persona& persona, const Municipality& home, Dice& dice) {
  items.address = home.written + draw_street(dice);
  if (persona.trait == Trait::surrogate_pair) items.address += "　\U00029E3Dハウス";
  if (persona.trait == Trait::longest_address) fill(items.address);
  items.address_map = plain_map(items.address);
  if (persona.trait == Trait::substitute_characters) {
    mark(items.address_map, count_characters(home.written));
  }
  if (persona.trait == Trait::abroad) write_departure(items, {2026, 5, 1});
}

void write_departure(FourItems& items, const CivilDate& planned) {
  const std::string year = wide(static_cast<std::uint64_t>(planned.year - 2018));
  const std::string note = joined(
      {"（国外転出予定　令和", year, "年", wide(planned.month), "月", wide(planned.day), "日）"});
  while (count_characters(items.address) + count_characters(note) > kAddressCharactersMax) {
    drop_character(items.address);
  }
  items.address += note;
  items.address_map.resize(count_characters(items.address), '0');
}

CivilDate draw_birthdate(Dice& dice) {
  CivilDate date{static_cast<int>(1931 + dice.below(79)), static_cast<unsigned>(1 + dice.below(12)),
                 static_cast<unsigned>(1 + dice.below(31))};
  while (!exists(date)) --date.day;
  return date;
}

FourItems first_items(const Persona& persona, const Municipality& home, Dice& dice) {
  FourItems items;
  write_name(items, persona);
  write_address(items, persona, home, dice);
  items.sex = std::string(1, persona.female ? '2' : '1');
  if (persona.trait == Trait::unknown_sex) items.sex = std::string(1, '3');
  items.birthdate = birthdate_text(draw_birthdate(dice));
  if (persona.trait == Trait::unknown_birth_day) items.birthdate = std::string("319500700");
  if (persona.trait == Trait::unknown_birthdate) items.birthdate = std::string("000000000");
  return items;
}

}  // namespace authority
