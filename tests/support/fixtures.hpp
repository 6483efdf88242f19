// fixtures.hpp: the files of tests/data. Nothing of libpki reads them, not even their PEM.
#pragma once

#include <string>
#include <string_view>

#include "tests/support/der_builder.hpp"

namespace test {

// The whole file; throws if there is none. "crl_p256_sha256.der", "responder.key".
Octets data_file(std::string_view file_name);
std::string data_text(std::string_view file_name);

// The DER inside the first PEM block of a file, by OpenSSL: "ca_p256.pem".
Octets data_pem(std::string_view file_name);

// Any file of the source tree, by its path from the top: "libpki/index_format.md".
std::string source_text(std::string_view path);

}  // namespace test
