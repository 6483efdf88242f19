// The certification authorities of the stand-in: signing and authentication, card and phone, each
// in three generations that share one name and differ in their key, as JPKI's do; cards have a
// fourth, with ECDSA P-384, that takes over half a year after the start.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "authority/certificates.hpp"
#include "authority/der_emitter.hpp"
#include "authority/instant.hpp"
#include "authority/keys.hpp"

namespace authority {

enum class Purpose : std::uint8_t { signing, authentication };
enum class Medium : std::uint8_t { card, phone };

struct AuthorityDescription {
  std::string name;  // "card-signing-g1": in addresses and file names
  Purpose purpose = Purpose::signing;
  Medium medium = Medium::card;
  int generation = 1;  // from 1; a higher one takes over from the one before
  Algorithm algorithm = Algorithm::rsa2048;
  Identity identity;
  // It issues when active_from <= t < active_to. At any moment from five years before the start on
  // exactly one generation of each purpose and medium issues. It signs lists for ever.
  Instant active_from = 0;
  Instant active_to = 0;
};

// All of them: of each purpose and medium in the order of generations. The keys depend on the seed,
// the dates on `start`.
[[nodiscard]] std::vector<AuthorityDescription> make_authorities(std::uint64_t seed, Instant start);

// The DER Name under which the revocations of one municipality are published: C=JP, O=Tashika Test,
// OU=<as in the authority's name>, OU=CRL Distribution Points, OU=<prefecture>,
// CN=<municipality> CRLDP. Certificates and lists must hold the same octets.
[[nodiscard]] Octets distribution_point_name(const AuthorityDescription& authority,
                                             std::string_view prefecture,
                                             std::string_view municipality);

}  // namespace authority
