// A country for tests: its start, its authorities (made once), and how to make one.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "authority/country.hpp"

namespace authority {

inline constexpr Instant kTestStart = 1'775'001'600;  // 2026-04-01T00:00:00Z

inline const std::vector<AuthorityDescription>& test_authorities() {
  static const std::vector<AuthorityDescription> authorities = make_authorities(7, kTestStart);
  return authorities;
}

inline std::unique_ptr<Country> make_country(std::uint32_t people, std::uint64_t seed = 7) {
  CountryOptions options;
  options.seed = seed;
  options.people = people;
  options.municipalities = 94;
  options.start = kTestStart;
  return std::make_unique<Country>(options, test_authorities());
}

}  // namespace authority
