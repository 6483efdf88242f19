// What the control interface shows of a person, as JSON; PROTOCOL.md has the fields.
#pragma once

#include <vector>

#include <nlohmann/json.hpp>

#include "authority/consents.hpp"
#include "authority/municipalities.hpp"
#include "authority/person.hpp"
#include "authority/registrar.hpp"

namespace authority {

// Everything: items, certificates with their histories, what is awaited, consents.
[[nodiscard]] nlohmann::json describe(const Person& person, const Registrar& registrar,
                                      const std::vector<Municipality>& towns,
                                      const Consents& consents);

// A line of a list: number, name, trait, and the newest certificate of each seat.
[[nodiscard]] nlohmann::json summarize(const Person& person, const Registrar& registrar);

// What an event did: {"issued": [...], "held": [...], "released": [...], "revoked": [...]}.
[[nodiscard]] nlohmann::json describe(const std::vector<Action>& actions,
                                      const Registrar& registrar);

// [{"seat": "card signing", "at": ...}]: certificates on their way.
[[nodiscard]] nlohmann::json describe_awaited(const Person& person);

}  // namespace authority
