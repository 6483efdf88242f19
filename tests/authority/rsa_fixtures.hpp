// The RSA-2048 test keys of keys/, embedded by the build (see CMakeLists.txt). TEST ONLY.
#pragma once

#include <array>

namespace authority {

extern const std::array<const char*, 4> kRsaFixturePems;     // of the command `pki`
extern const std::array<const char*, 12> kAuthorityKeyPems;  // of the authorities of `serve`

}  // namespace authority
