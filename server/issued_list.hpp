// issued_list.hpp: the list of serials that an issuer issued, as a text, and the index made of it.
#pragma once

#include "server/index_directory.hpp"
#include "server/list_sources.hpp"

namespace server {

// Reads a text with one serial a line, in hex as `openssl x509 -serial` prints it ("serial=" in
// front is allowed; '#' begins a comment), and puts the index of them in the place of the one
// before. Throws Refused, with the line, for anything else; std::system_error.
void index_issued_list(const ListFile& file, const IndexDirectory& directory,
                       const IndexConfig& config,
                       const std::array<std::uint8_t, 32>& issuer_key_hash, pki::Time now);

}  // namespace server
