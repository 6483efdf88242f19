#include "server/config_section.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <numeric>

namespace server {

// How many single-character edits lie between two words (Levenshtein).
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({row[j + 1] + 1, row[j] + 1, replaced});
    }
  }
  return row.back();
}

std::optional<std::uint64_t> number_with_unit(std::string_view text, std::span<const Unit> units) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return std::nullopt;
  const std::string_view suffix(end, static_cast<std::size_t>(text.data() + text.size() - end));
  for (const Unit& unit : units) {
    if (suffix != unit.name) continue;
    std::uint64_t product = 0;
    if (__builtin_mul_overflow(number, unit.factor, &product)) return std::nullopt;
    return product;
  }
  return std::nullopt;
}

std::vector<std::string> Section::texts(std::string_view key) {
  std::vector<std::string> out;
  const toml::node* node = get(key);
  if (node == nullptr) return out;
  const auto add = [&](const toml::node& item) {
    if (const auto* value = item.as_string()) return out.push_back(value->get());
    fault(item, fmt::format("`{}` must hold strings", key));
  };
  if (const auto* array = node->as_array()) {
    for (const toml::node& item : *array) add(item);
  } else {
    add(*node);
  }
  return out;
}

ListenConfig Section::listen(std::string_view key) {
  ListenConfig out;
  const toml::node* node = get(key);
  if (node == nullptr) return missing(key), out;
  const std::string value = text(key);
  const std::size_t colon = value.rfind(':');
  std::uint32_t port = 0;
  if (colon != std::string::npos) {
    const char* const end = value.data() + value.size();
    const auto parsed = std::from_chars(value.data() + colon + 1, end, port);
    if (parsed.ec != std::errc{} || parsed.ptr != end) port = 0;
  }
  if (port == 0 || port > 65535 || colon == 0) {
    fault(*node, fmt::format("`{}` must be an address and a port, like \"127.0.0.1:8080\" or "
                             "\"[::1]:8080\"",
                             key));
    return out;
  }
  out.address = value.substr(0, colon);
  if (out.address.front() == '[' && out.address.back() == ']') {
    out.address = out.address.substr(1, out.address.size() - 2);
  }
  out.port = static_cast<std::uint16_t>(port);
  std::array<std::uint8_t, sizeof(in6_addr)> address{};
  if (::inet_pton(AF_INET, out.address.c_str(), address.data()) != 1 &&
      ::inet_pton(AF_INET6, out.address.c_str(), address.data()) != 1) {
    fault(*node,
          fmt::format("`{}` must begin with a numeric address; \"{}\" is none", key, out.address));
  }
  return out;
}

void Section::finish() {
  for (const auto& [key, node] : table_) {
    if (known_.contains(key.str())) continue;
    const auto nearest = std::min_element(
        known_.begin(), known_.end(), [&](const std::string& a, const std::string& b) {
          return edit_distance(a, key.str()) < edit_distance(b, key.str());
        });
    faults_.add(key.source(), fmt::format("unknown key `{}` in {}; the nearest known one is `{}`",
                                          key.str(), name_, *nearest));
  }
}

}  // namespace server
