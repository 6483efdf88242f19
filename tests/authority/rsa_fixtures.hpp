// The RSA-2048 test keys of keys/, embedded by the build (see CMakeLists.txt). TEST ONLY.
#pragma once

#include <array>

namespace authority {

extern const std::array<const char*, 4> kRsaFixturePems;

}  // namespace authority
