// What the stand-in hands out as files: certificates and keys that its clients need.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "authority/authorities.hpp"
#include "authority/certificates.hpp"

namespace authority {

// The certificates of the stand-in's own ports. They are valid from 2020 to 2049, since those who
// check them look at a real clock.
struct TlsIdentities {
  Identity authority;
  Identity server;
  Identity operator_client;  // what a platform operator shows at the upstream port
};
[[nodiscard]] TlsIdentities make_tls_identities(std::uint64_t seed);

// Makes the directory and writes <authority>.pem, <authority>-responder.pem and .key for each
// authority, tls-ca.pem, tls-server.pem and .key, operator.pem and .key. The keys of authorities
// stay inside. Throws Failure.
void write_handout(const std::filesystem::path& directory, std::uint64_t seed,
                   const std::vector<AuthorityDescription>& authorities, const TlsIdentities& tls);

}  // namespace authority
