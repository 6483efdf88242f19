#include "server/high_water.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "server/files.hpp"
#include "server/log.hpp"

namespace server {

namespace {

template <std::size_t kSize>
std::array<std::uint8_t, kSize> octets_of(const std::string& hex) {
  const std::vector<std::uint8_t> octets = pki::from_hex(hex);
  if (octets.size() != kSize) throw std::runtime_error("newest.json: `" + hex + "` is too short");
  std::array<std::uint8_t, kSize> out{};
  std::ranges::copy(octets, out.begin());
  return out;
}

}  // namespace

HighWater::HighWater(const std::filesystem::path& directory) : path_(directory / "newest.json") {
  try {
    if (!std::filesystem::exists(path_)) return;
    constexpr std::size_t kBytesMax = 64 << 20;
    for (const auto& one : nlohmann::json::parse(read_file(path_, kBytesMax))) {
      const auto number = octets_of<20>(one.at("crl_number"));
      marks_[octets_of<32>(one.at("scope"))] = {
          pki::CrlNumber(number),
          pki::Time{std::chrono::seconds{one.at("this_update").get<std::int64_t>()}}};
    }
  } catch (const std::exception& error) {
    log(Level::warning, "high_water_not_read", {{"error", error.what()}});
  }
}

const HighWater::Mark* HighWater::find(const pki::ScopeId& scope) const {
  const auto found = marks_.find(scope);
  return found == marks_.end() ? nullptr : &found->second;
}

bool HighWater::raise(const pki::IndexedList& list) {
  const auto [place, is_new] = marks_.try_emplace(list.scope, Mark{list.number, list.this_update});
  if (is_new) return true;
  Mark& mark = place->second;
  if (list.number <= mark.number && list.this_update <= mark.this_update) return false;
  mark.number = std::max(mark.number, list.number);
  mark.this_update = std::max(mark.this_update, list.this_update);
  return true;
}

void HighWater::raise(const std::vector<pki::IndexedList>& lists) {
  bool changed = false;
  for (const pki::IndexedList& list : lists) changed = raise(list) || changed;
  if (!changed) return;
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  for (const auto& [scope, mark] : marks_) {
    json.push_back({{"scope", pki::to_hex(scope)},
                    {"crl_number", pki::to_hex(mark.number.octets())},
                    {"this_update", mark.this_update.time_since_epoch().count()}});
  }
  replace_file(path_, json.dump() + "\n");
}

}  // namespace server
