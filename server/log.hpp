// log.hpp: what the program says while it runs, on standard error: one JSON object a line, or plain
// text where standard error is a terminal. No certificate serials and no personal data go here.
#pragma once

#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

namespace server {

enum class Level { info, warning, error };

// {"time":"…","level":"warning","event":"index_refused","issuer":"…", …}. Any thread.
void log(Level level, std::string_view event,
         std::initializer_list<std::pair<const char*, nlohmann::json>> fields = {});

}  // namespace server
