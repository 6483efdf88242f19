#include "server/log.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

#include "libpki/asn1_time.hpp"
#include "server/wall_clock.hpp"

namespace server {
namespace {

constexpr std::string_view name(Level level) {
  switch (level) {
    case Level::info: return "info";
    case Level::warning: return "warning";
    case Level::error: return "error";
  }
  return "?";
}

}  // namespace

void log(Level level, std::string_view event,
         std::initializer_list<std::pair<const char*, nlohmann::json>> fields) {
  static const bool to_terminal = ::isatty(STDERR_FILENO) == 1;
  const pki::Time now = wall_clock();
  std::string line;
  if (to_terminal) {
    line = fmt::format("{} {:7} {}", pki::to_string(now), name(level), event);
    for (const auto& [key, value] : fields) {
      line +=
          fmt::format("  {}={}", key, value.is_string() ? value.get<std::string>() : value.dump());
    }
  } else {
    nlohmann::ordered_json object;
    object["time"] = pki::to_string(now);
    object["level"] = name(level);
    object["event"] = event;
    for (const auto& [key, value] : fields) object[key] = value;
    line = object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  }
  line += '\n';
  // One write, so that lines of several threads or processes do not mix.
  std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace server
