// Where lists go on.
#include "server/platform/page_token.hpp"

#include <catch2/catch.hpp>

#include "libpki/bytes.hpp"
#include "server/platform/problem.hpp"

namespace server {
namespace {

TEST_CASE("a page token gives its place back, and to nobody else") {
  const SecretKey key = SecretKey::random();
  const std::string token = make_page_token(key, "consents all", "inst_a", "cns_x");
  CHECK(read_page_token(key, "consents all", "inst_a", token) == "cns_x");
  try {
    static_cast<void>(read_page_token(key, "consents all", "inst_b", token));
    FAIL("a page token of another institution was taken");
  } catch (const Problem& problem) {
    CHECK(problem.kind() == ProblemKind::value_out_of_range);
    CHECK(problem.faults().at(0).pointer == "page_token");
  }
  CHECK_THROWS_AS(read_page_token(key, "consents active", "inst_a", token), Problem);
  CHECK_THROWS_AS(read_page_token(SecretKey::random(), "consents all", "inst_a", token), Problem);
  CHECK_THROWS_AS(read_page_token(key, "consents all", "inst_a", ""), Problem);
  CHECK_THROWS_AS(read_page_token(key, "consents all", "inst_a", std::string(5000, 'A')), Problem);
}

TEST_CASE("every changed bit of a page token is noticed") {
  const SecretKey key = SecretKey::random();
  const std::string token = make_page_token(key, "l", "inst_a", "cns_x");
  std::vector<std::uint8_t> octets;
  REQUIRE(pki::decode_base64url(token, octets).has_value());
  for (std::size_t bit = 0; bit < octets.size() * 8; ++bit) {
    auto changed = octets;
    changed[bit / 8] = static_cast<std::uint8_t>(changed[bit / 8] ^ (1U << bit % 8));
    CHECK_THROWS_AS(read_page_token(key, "l", "inst_a", pki::to_base64url(changed)), Problem);
  }
}

}  // namespace
}  // namespace server
