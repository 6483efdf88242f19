// write_hierarchy makes a whole test PKI in a directory: the authority, its OCSP responder,
// people's certificates.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "authority/instant.hpp"
#include "authority/keys.hpp"

namespace authority {

struct HierarchyOptions {
  std::filesystem::path directory;
  std::uint64_t seed = 1;
  Algorithm authority_algorithm = Algorithm::rsa2048;
  Algorithm responder_algorithm = Algorithm::p256;
  std::string name = "Stand-in for J-LIS";
  std::int64_t validity_days = 1825;
  Instant now = 0;
  std::uint64_t certificates = 0;       // how many people's certificates
  std::uint64_t first_serial = 0x1000;  // theirs are sequential from here
  std::string ocsp_url;
};

// Writes ca.pem, ca.key, responder.pem, responder.key and certificate-<SERIAL>.pem/.key; existing
// files are replaced. Same options, same bytes, if the authority's key is RSA. Throws Failure.
void write_hierarchy(const HierarchyOptions& options);

}  // namespace authority
