#include "authority/municipalities.hpp"

#include <array>

#include "authority/failure.hpp"

namespace authority {
namespace {

struct Name {
  std::string_view romaji;
  std::string_view written;
};

constexpr std::array<Name, 47> kPrefectures{{
    {"Hokkaido", "北海道"},        {"Aomori-ken", "青森県"},     {"Iwate-ken", "岩手県"},
    {"Miyagi-ken", "宮城県"},      {"Akita-ken", "秋田県"},      {"Yamagata-ken", "山形県"},
    {"Fukushima-ken", "福島県"},   {"Ibaraki-ken", "茨城県"},    {"Tochigi-ken", "栃木県"},
    {"Gumma-ken", "群馬県"},       {"Saitama-ken", "埼玉県"},    {"Chiba-ken", "千葉県"},
    {"Tokyo-to", "東京都"},        {"Kanagawa-ken", "神奈川県"}, {"Niigata-ken", "新潟県"},
    {"Toyama-ken", "富山県"},      {"Ishikawa-ken", "石川県"},   {"Fukui-ken", "福井県"},
    {"Yamanashi-ken", "山梨県"},   {"Nagano-ken", "長野県"},     {"Gifu-ken", "岐阜県"},
    {"Shizuoka-ken", "静岡県"},    {"Aichi-ken", "愛知県"},      {"Mie-ken", "三重県"},
    {"Shiga-ken", "滋賀県"},       {"Kyoto-fu", "京都府"},       {"Osaka-fu", "大阪府"},
    {"Hyogo-ken", "兵庫県"},       {"Nara-ken", "奈良県"},       {"Wakayama-ken", "和歌山県"},
    {"Tottori-ken", "鳥取県"},     {"Shimane-ken", "島根県"},    {"Okayama-ken", "岡山県"},
    {"Hiroshima-ken", "広島県"},   {"Yamaguchi-ken", "山口県"},  {"Tokushima-ken", "徳島県"},
    {"Kagawa-ken", "香川県"},      {"Ehime-ken", "愛媛県"},      {"Kochi-ken", "高知県"},
    {"Fukuoka-ken", "福岡県"},     {"Saga-ken", "佐賀県"},       {"Nagasaki-ken", "長崎県"},
    {"Kumamoto-ken", "熊本県"},    {"Oita-ken", "大分県"},       {"Miyazaki-ken", "宮崎県"},
    {"Kagoshima-ken", "鹿児島県"}, {"Okinawa-ken", "沖縄県"},
}};

constexpr std::array<Name, 20> kFirstHalves{{
    {"Kiyo", "清"},  {"Higashi", "東"}, {"Nishi", "西"}, {"Minami", "南"}, {"Kita", "北"},
    {"Matsu", "松"}, {"Take", "竹"},    {"Ume", "梅"},   {"Fuji", "藤"},   {"Ishi", "石"},
    {"Iwa", "岩"},   {"Yoshi", "吉"},   {"Haya", "早"},  {"Ue", "上"},     {"Shimo", "下"},
    {"Mizu", "水"},  {"Taka", "高"},    {"Naga", "長"},  {"Kuro", "黒"},   {"Shira", "白"},
}};

constexpr std::array<Name, 15> kSecondHalves{{
    {"kawa", "川"},
    {"no", "野"},
    {"da", "田"},
    {"shima", "島"},
    {"yama", "山"},
    {"saki", "崎"},
    {"hara", "原"},
    {"mori", "森"},
    {"mura", "村"},
    {"ura", "浦"},
    {"se", "瀬"},
    {"zaka", "坂"},
    {"moto", "本"},
    {"michi", "道"},
    {"hashi", "橋"},
}};

constexpr std::array<Name, 3> kKinds{{{"-shi", "市"}, {"-machi", "町"}, {"-mura", "村"}}};

std::string joined(std::initializer_list<std::string_view> parts) {
  std::string text;
  for (const std::string_view part : parts) text += part;
  return text;
}

Municipality make_municipality(std::size_t number) {
  const std::size_t prefecture = number % kPrefectures.size();
  const std::size_t place = number / kPrefectures.size();  // of those in the prefecture
  // 37 and 900 have no common factor: another name for each place, in another order everywhere.
  const std::size_t mixed = (place * 37 + prefecture * 61) % 900;
  const Name& kind = kKinds[mixed % 3];
  const Name& first = kFirstHalves[mixed / 3 % 20];
  const Name& second = kSecondHalves[mixed / 60];
  const std::string prefecture_code = std::to_string(101 + prefecture).substr(1);
  return {std::string(kPrefectures[prefecture].romaji),
          joined({first.romaji, second.romaji, kind.romaji}),
          joined({kPrefectures[prefecture].written, first.written, second.written, kind.written}),
          joined({prefecture_code, std::to_string(100 + place)})};
}

}  // namespace

std::vector<Municipality> make_municipalities(std::size_t count) {
  if (count < 1 || count > kMunicipalitiesMax) {
    throw Failure(std::to_string(count) + " municipalities: give a number from 1 to " +
                  std::to_string(kMunicipalitiesMax));
  }
  std::vector<Municipality> result;
  result.reserve(count);
  for (std::size_t number = 0; number < count; ++number) {
    result.push_back(make_municipality(number));
  }
  return result;
}

}  // namespace authority
