// World: all that a running stand-in knows. One thread works with it.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

#include "authority/authorities.hpp"
#include "authority/country.hpp"
#include "authority/faults.hpp"
#include "authority/publisher.hpp"
#include "authority/request_log.hpp"
#include "authority/schedule.hpp"
#include "authority/upstream.hpp"

namespace authority {

struct WorldOptions {
  CountryOptions country;
  bool deltas = false;
  int base_age_days = 0;
  Instant complete_interval = kSecondsPerDay;
};

struct World {
  explicit World(const WorldOptions& options)
      : schedule{options.country.start, options.deltas, options.base_age_days,
                 options.complete_interval},
        authorities(make_authorities(options.country.seed, options.country.start)),
        country(options.country, authorities),
        publisher(authorities, country, schedule),
        upstream(country) {}
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  [[nodiscard]] std::optional<std::size_t> find_authority(std::string_view name) const {
    for (std::size_t i = 0; i < authorities.size(); ++i) {
      if (authorities[i].name == name) return i;
    }
    return std::nullopt;
  }

  const Schedule schedule;
  const std::vector<AuthorityDescription> authorities;
  Country country;
  Publisher publisher;
  Upstream upstream;
  Faults faults;
  RequestLog requests;
};

}  // namespace authority
