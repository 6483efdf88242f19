// documents.hpp: texts that are part of the program, from files of this directory.
#pragma once

#include <string_view>

namespace server {

[[nodiscard]] std::string_view openapi_document();        // openapi.json
[[nodiscard]] std::string_view problem_texts_document();  // problem_texts.json

}  // namespace server
