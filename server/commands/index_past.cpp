#include "server/commands/index_past.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "server/commands/commands.hpp"
#include "server/status_at.hpp"

namespace server {
namespace {

using nlohmann::ordered_json;

std::string_view status_text(const std::optional<pki::Revocation>& revocation) {
  if (!revocation) return "not revoked";
  return revocation->reason == pki::Reason::certificate_hold ? "held" : "revoked";
}

ordered_json to_json(const std::optional<pki::Revocation>& revocation) {
  ordered_json out = {{"status", status_text(revocation)}};
  if (!revocation) return out;
  out["date"] = pki::to_string(revocation->date);
  if (revocation->reason != pki::Reason::absent) {
    out["reason"] = pki::to_string(revocation->reason);
  }
  return out;
}

std::string to_text(const std::optional<pki::Revocation>& revocation) {
  if (!revocation) return "not revoked";
  return fmt::format("{} since {} ({})", status_text(revocation), pki::to_string(revocation->date),
                     pki::to_string(revocation->reason));
}

}  // namespace

int lookup_past(const IndexDirectory& directory, const std::string& at,
                const std::vector<std::string>& serials, bool json) {
  const auto time = pki::time_from_string(at);
  if (!time) {
    throw std::runtime_error(
        fmt::format("`{}` is no time: write it like 2026-04-01T00:00:00Z", at));
  }
  const StatusHistory history(directory);
  ordered_json all = ordered_json::array();
  for (const std::string& text : serials) {
    const auto serial = pki::serial_from_string(text);
    if (!serial) {
      throw std::runtime_error(
          fmt::format("`{}` is no serial number: give hex digits, at most 20 octets", text));
    }
    const StatusAt status = history.at(pki::SerialKey::from_der(*serial), *time);
    const std::string name = pki::serial_to_string(*serial);
    if (json) {
      ordered_json one = {{"serial", name}, {"at", pki::to_string(*time)}};
      one.update(to_json(status.status));
      if (status.first_word) one["first_word"] = to_json(status.first_word);
      one["as_of"] = pki::to_string(status.as_of);
      all.push_back(std::move(one));
      if (status.left_after) {
        all.back()["left_the_list"] = {{"after", pki::to_string(*status.left_after)},
                                       {"before", pki::to_string(*status.left_before)}};
      }
      continue;
    }
    fmt::print("{} at {}: {}\n", name, pki::to_string(*time), to_text(status.status));
    if (status.first_word) {
      fmt::print("  the lists said first: {}\n", to_text(status.first_word));
    }
    if (status.left_after) {
      fmt::print("  it left the list between {} and {}\n", pki::to_string(*status.left_after),
                 pki::to_string(*status.left_before));
    }
  }
  if (json) fmt::print("{}\n", all.dump(2));
  return kExitOk;
}

}  // namespace server
