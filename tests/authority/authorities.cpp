#include "authority/authorities.hpp"

#include <openssl/x509.h>

#include <limits>
#include <memory>

namespace authority {
namespace {

constexpr Instant kYear = 365 * kSecondsPerDay + 6 * kSecondsPerHour;
constexpr Instant kForever = std::numeric_limits<Instant>::max();
constexpr Instant kSwitchDays = 180;  // from the start until the cards' next generation takes over

constexpr const char* kAgency = "Japan Agency for Local Authority Information Systems";

// When a generation begins to issue, relative to the start. Certificates live five years at most,
// so at the start those of the first three generations are alive.
constexpr Instant kBeginnings[] = {-10 * kYear, -4 * kYear, -2 * kYear,
                                   kSwitchDays* kSecondsPerDay};

struct Line {
  Purpose purpose;
  Medium medium;
  const char* name;
  const char* unit;  // its first OU
  int generations;
};
constexpr Line kLines[] = {
    {Purpose::signing, Medium::card, "card-signing", "JPKI for digital signature", 4},
    {Purpose::authentication, Medium::card, "card-authentication", "JPKI for user authentication",
     4},
    {Purpose::signing, Medium::phone, "phone-signing", "JPKI for digital signature on mobile", 3},
    {Purpose::authentication, Medium::phone, "phone-authentication",
     "JPKI for user authentication on mobile", 3},
};
constexpr int kEllipticGeneration = 4;

const char* unit_of(const AuthorityDescription& authority) {
  for (const Line& line : kLines) {
    if (line.purpose == authority.purpose && line.medium == authority.medium) return line.unit;
  }
  return kLines[0].unit;
}

AuthorityDescription make_one(const Line& line, int generation, KeyPointer key, std::uint64_t seed,
                              Instant start) {
  AuthorityDescription made;
  made.name = std::string(line.name).append("-g").append(std::to_string(generation));
  made.purpose = line.purpose;
  made.medium = line.medium;
  made.generation = generation;
  made.algorithm = generation == kEllipticGeneration ? Algorithm::p384 : Algorithm::rsa2048;
  const auto index = static_cast<std::size_t>(generation) - 1;
  made.active_from = start + kBeginnings[index];
  made.active_to = generation == line.generations ? kForever : start + kBeginnings[index + 1];
  const Validity validity{start - 11 * kYear, start + 15 * kYear};
  made.identity =
      make_authority(std::move(key), {line.unit, kAgency}, own_serial(seed, made.name), validity);
  return made;
}

void add_to_name(X509_NAME* name, const char* field, std::string_view value) {
  const auto* const text = reinterpret_cast<const unsigned char*>(value.data());
  if (X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, text, static_cast<int>(value.size()),
                                 -1, 0) != 1) {
    fail_openssl(std::string(value).append(" cannot stand in the name of a distribution point"));
  }
}

}  // namespace

std::vector<AuthorityDescription> make_authorities(std::uint64_t seed, Instant start) {
  std::vector<AuthorityDescription> authorities;
  std::size_t rsa_slot = 0;
  for (const Line& line : kLines) {
    for (int generation = 1; generation <= line.generations; ++generation) {
      KeyPointer key =
          generation == kEllipticGeneration
              ? make_key(Algorithm::p384, seed, std::string(line.name).append(" authority"))
              : make_authority_rsa_key(seed, rsa_slot++);
      authorities.push_back(make_one(line, generation, std::move(key), seed, start));
    }
  }
  return authorities;
}

Octets distribution_point_name(const AuthorityDescription& authority, std::string_view prefecture,
                               std::string_view municipality) {
  const std::unique_ptr<X509_NAME, Deleter<X509_NAME_free>> name(X509_NAME_new());
  add_to_name(name.get(), "C", "JP");
  add_to_name(name.get(), "O", "Tashika Test");
  add_to_name(name.get(), "OU", unit_of(authority));
  add_to_name(name.get(), "OU", "CRL Distribution Points");
  add_to_name(name.get(), "OU", prefecture);
  add_to_name(name.get(), "CN", std::string(municipality).append(" CRLDP"));
  unsigned char* encoded = nullptr;
  const int size = i2d_X509_NAME(name.get(), &encoded);
  require(size > 0, "encoding the name of a distribution point");
  Octets octets(encoded, encoded + size);
  OPENSSL_free(encoded);
  return octets;
}

}  // namespace authority
