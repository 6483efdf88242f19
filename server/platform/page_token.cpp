#include "server/platform/page_token.hpp"

#include <fmt/format.h>

#include <vector>

#include "libpki/bytes.hpp"

namespace server {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kMacOctets = 16;
constexpr std::size_t kTokenMax = 512;

std::vector<std::uint8_t> mac_of(const SecretKey& key, std::string_view list,
                                 std::string_view institution_id, std::string_view place) {
  // None of the parts holds a line feed, so nothing can be moved from one to the next.
  const std::string text =
      fmt::format("tashika page token 1\n{}\n{}\n{}", list, institution_id, place);
  return mac(key, pki::as_bytes(text), kMacOctets);
}

}  // namespace

std::string make_page_token(const SecretKey& key, std::string_view list,
                            std::string_view institution_id, std::string_view place) {
  std::vector<std::uint8_t> octets{kVersion};
  const auto tag = mac_of(key, list, institution_id, place);
  octets.insert(octets.end(), tag.begin(), tag.end());
  octets.insert(octets.end(), place.begin(), place.end());
  return pki::to_base64url(octets);
}

std::string read_page_token(const SecretKey& key, std::string_view list,
                            std::string_view institution_id, std::string_view token) {
  std::vector<std::uint8_t> octets;
  if (token.size() > kTokenMax || !pki::decode_base64url(token, octets) ||
      octets.size() < 1 + kMacOctets || octets[0] != kVersion) {
    throw bad_page_token();
  }
  const std::string place(octets.begin() + 1 + kMacOctets, octets.end());
  const auto tag = mac_of(key, list, institution_id, place);
  if (!equal_in_constant_time(tag, pki::Bytes(octets).subspan(1, kMacOctets))) {
    throw bad_page_token();
  }
  return place;
}

Problem bad_page_token() {
  return Problem(ProblemKind::value_out_of_range,
                 "The page token is none of this list: begin again without it.",
                 {{"page_token", "not_of_this_list",
                   "the next_page_token of an answer to the same request, else unchanged"}});
}

}  // namespace server
