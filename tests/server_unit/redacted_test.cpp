// redacted_test.cpp: what is redacted can't be printed, and is gone when it ends.
#include <fmt/format.h>
#include <fmt/ostream.h>
#include <catch2/catch.hpp>

#include <array>
#include <cstring>
#include <nlohmann/json.hpp>
#include <ostream>
#include <sstream>
#include <vector>

#include "server/redacted.hpp"

using server::Redacted;
using server::WipingAllocator;

namespace {

using Text = Redacted<std::string>;
using Octets = Redacted<std::vector<std::uint8_t>>;

template <class T>
concept Streamable = requires(std::ostream& out, const T& value) {
  out << value;
};
template <class T>
concept Comparable = requires(const T& a, const T& b) {
  a == b;
};

static_assert(Streamable<std::string> && !Streamable<Text> && !Streamable<Octets>);
static_assert(fmt::is_formattable<std::string>::value);
static_assert(!fmt::is_formattable<Text>::value && !fmt::is_formattable<Octets>::value);
static_assert(std::is_constructible_v<nlohmann::json, std::string>);
static_assert(!std::is_constructible_v<nlohmann::json, Text>);
static_assert(!std::is_constructible_v<nlohmann::json, Octets>);
static_assert(!std::is_convertible_v<Text, std::string> &&
              !std::is_convertible_v<std::string, Text>);
static_assert(!Comparable<Text>);
static_assert(std::is_nothrow_move_constructible_v<Text> &&
              std::is_nothrow_move_assignable_v<Text>);

constexpr const char* kShort = "渡辺浩";  // lies in the string itself
constexpr const char* kLong = "東京都清川市本町１丁目１番１号コーポ清川１０１号室";

// Whether the bytes of an object hold the text. Its memory is looked at after its end only where it
// is known to live on: placed in a buffer.
template <class T>
bool holds(const T& memory, const std::string& text) {
  const auto* const begin = reinterpret_cast<const char*>(&memory);
  return std::string_view(begin, sizeof memory).find(text) != std::string_view::npos;
}

}  // namespace

TEST_CASE("redacted: nothing is left in its place when it ends or moves", "[redacted]") {
  alignas(Text) std::array<char, sizeof(Text)> place{};
  auto* const text = new (place.data()) Text(std::string(kShort));
  REQUIRE(holds(place, kShort));
  Text moved(std::move(*text));
  CHECK_FALSE(holds(place, kShort));
  CHECK(moved.reveal() == kShort);
  *text = std::move(moved);
  CHECK_FALSE(holds(moved, kShort));
  CHECK(text->reveal() == kShort);
  *text = Text();
  CHECK_FALSE(holds(place, kShort));
  *text = Text(std::string(kShort));
  REQUIRE(holds(place, kShort));
  text->~Text();
  CHECK_FALSE(holds(place, kShort));
}

TEST_CASE("redacted: the source of a move is wiped", "[redacted]") {
  for (const char* const value : {kShort, kLong}) {
    std::string source = value;
    const Text text(std::move(source));
    CHECK(source.empty());  // NOLINT: that is what is promised
    CHECK_FALSE(holds(source, kShort));
    CHECK(text.reveal() == value);
  }
}

TEST_CASE("redacted: copies are independent, and assignment to itself harmless", "[redacted]") {
  Text one(std::string{kLong});
  Text two(one);
  one = Text(std::string(kShort));
  CHECK(two.reveal() == kLong);
  const Text& alias = two;
  two = alias;
  CHECK(two.reveal() == kLong);
  two = one;
  CHECK(two.reveal() == kShort);
  Octets octets(std::vector<std::uint8_t>{1, 2, 3});
  const Octets other = octets;
  octets = Octets();
  CHECK(other.reveal().size() == 3);
}

TEST_CASE("redacted: wiping covers what lies past the end", "[redacted]") {
  std::string text = kLong;
  const std::string tail = text.substr(40);
  text.resize(40);
  const char* const past_the_end = text.data() + 41;
  REQUIRE(std::strncmp(past_the_end, tail.data() + 1, tail.size() - 1) == 0);
  const std::size_t capacity = text.capacity();
  server::wipe(text);
  CHECK(text.empty());
  CHECK(text.capacity() == capacity);
  for (const char* at = text.data(); at != text.data() + capacity; ++at) REQUIRE(*at == 0);
}
