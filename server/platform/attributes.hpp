// attributes.hpp: the four items under the names that the API gives them, and as scopes.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/upstream/gateways.hpp"

namespace server {

struct AttributeName {
  InformationItem item;
  std::string_view attribute;
  std::string_view scope;
};
// In the order in which everything is listed.
inline constexpr std::array<AttributeName, 4> kAttributes{
    {{InformationItem::name, "name", "attr:name"},
     {InformationItem::address, "address", "attr:address"},
     {InformationItem::birthdate, "birthdate", "attr:birthdate"},
     {InformationItem::sex, "gender", "attr:gender"}}};

[[nodiscard]] inline const AttributeName* find_attribute(std::string_view attribute) {
  for (const AttributeName& one : kAttributes) {
    if (one.attribute == attribute) return &one;
  }
  return nullptr;
}

[[nodiscard]] inline std::vector<InformationItem> items_of_scopes(
    const std::vector<std::string>& scopes) {
  std::vector<InformationItem> out;
  for (const AttributeName& one : kAttributes) {
    for (const std::string& scope : scopes) {
      if (scope == one.scope) out.push_back(one.item);
    }
  }
  return out;
}

}  // namespace server
