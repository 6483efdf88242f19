// A cursor is a promise about a place: nobody can change it, and nobody else can use it.
#include "server/platform/cursor.hpp"

#include <array>
#include <catch2/catch.hpp>
#include <limits>

#include "server/platform/problem.hpp"

namespace {

using server::CursorKey;
using server::CursorPlace;
using server::Cursors;
using server::FeedHead;
using server::ProblemKind;

const std::string kBank = "inst_aaaaaaaaaaaaaaaaaaaaaaaaaa";
const std::string kOther = "inst_bbbbbbbbbbbbbbbbbbbbbbbbbb";

CursorKey key(std::uint8_t id, std::uint8_t fill) {
  std::array<std::uint8_t, 32> octets{};
  octets.fill(fill);
  return {id, server::SecretKey(octets)};
}

Cursors cursors() {
  return {"production", {key(1, 7)}};
}

template <class Function>
ProblemKind problem_of(Function function) {
  try {
    function();
  } catch (const server::Problem& problem) {
    return problem.kind();
  }
  return ProblemKind::internal_error;
}

bool is_refused(const Cursors& by, const std::string& institution, const std::string& text) {
  return problem_of([&] { (void)by.decode(institution, text); }) == ProblemKind::cursor_invalid;
}

}  // namespace

TEST_CASE("a cursor comes back as it went, and shows no position", "[cursor]") {
  for (const std::int64_t pos : {std::int64_t{0}, std::int64_t{1}, std::int64_t{48211},
                                 std::numeric_limits<std::int64_t>::max()}) {
    for (const std::int32_t epoch : {1, 29'900'000, std::numeric_limits<std::int32_t>::max()}) {
      const std::string text = cursors().encode(kBank, {epoch, pos});
      CHECK(text.size() == 40);
      CHECK(text.find_first_of("+/=") == std::string::npos);
      const CursorPlace place = cursors().decode(kBank, text);
      CHECK(place.epoch == epoch);
      CHECK(place.pos == pos);
    }
  }
}

// Computed by Python's hmac over struct.pack(">BBIQ", 1, 1, 3, 48213) and the two names.
TEST_CASE("a cursor is what the contract says, octet by octet", "[cursor]") {
  CHECK(cursors().encode(kBank, {3, 48213}) == "AQEAAAADAAAAAAAAvFVj1ilBN-H3T0i3vb8WhW0c");
}

TEST_CASE("check 18: every flipped bit, environment, institution and key makes it void",
          "[cursor]") {
  const std::string text = cursors().encode(kBank, {3, 48213});
  for (std::size_t i = 0; i < text.size(); ++i) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      std::string changed = text;
      changed[i] = static_cast<char>(static_cast<unsigned char>(changed[i]) ^ (1U << bit));
      INFO("character " << i << ", bit " << bit);
      CHECK(is_refused(cursors(), kBank, changed));
    }
  }
  CHECK(is_refused(cursors(), kOther, text));
  CHECK(is_refused({"test", {key(1, 7)}}, kBank, text));
  CHECK(is_refused({"production", {key(1, 8)}}, kBank, text));
  CHECK(is_refused({"production", {key(2, 7)}}, kBank, text));
}

TEST_CASE("what is no cursor is refused", "[cursor]") {
  const std::string text = cursors().encode(kBank, {3, 48213});
  for (const std::string& wrong : {std::string(), text.substr(0, 39), text + "A", text + "=",
                                   text.substr(0, 36) + "====", std::string(40, 'A'),
                                   std::string(40, '\0'), std::string(100'000, 'A')}) {
    CHECK(is_refused(cursors(), kBank, wrong));
  }
}

TEST_CASE("a new key signs, and the old one still reads", "[cursor]") {
  const std::string old = cursors().encode(kBank, {1, 5});
  const Cursors both("production", {key(2, 9), key(1, 7)});
  CHECK(both.decode(kBank, old).pos == 5);
  const std::string made = both.encode(kBank, {1, 6});
  CHECK(both.decode(kBank, made).pos == 6);
  CHECK(is_refused(cursors(), kBank, made));
}

TEST_CASE("check 17: a place of another history, or that is not kept, can't be read on from",
          "[cursor]") {
  const FeedHead head{2, 100, 40};
  CHECK_NOTHROW(server::require_readable({2, 40}, head));
  CHECK_NOTHROW(server::require_readable({2, 100}, head));
  const auto kind = [&](CursorPlace place) {
    return problem_of([&] { server::require_readable(place, head); });
  };
  CHECK(kind({2, 39}) == ProblemKind::cursor_expired);
  CHECK(kind({1, 50}) == ProblemKind::feed_epoch_changed);
  CHECK(kind({3, 50}) == ProblemKind::feed_epoch_changed);
  CHECK(kind({2, 101}) == ProblemKind::feed_epoch_changed);
}
