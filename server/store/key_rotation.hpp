// key_rotation.hpp: another key-encryption key for all keys in the database. What those keys sealed
// stays as it is, and servers go on meanwhile.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "libpki/asn1_time.hpp"
#include "server/store/key_file.hpp"
#include "server/store/key_ring.hpp"

namespace server {

struct RotationReport {
  std::string kek;                 // the id of the key that now wraps all
  bool is_new = false;             // it was made by this run
  std::uint64_t keys = 0;          // wrapped anew
  std::uint64_t institutions = 0;  // whose keys they were
};

// Adds a new key to the file, unless there are keys that the file's first key did not wrap: then an
// earlier run did not end, or somebody put a key there, and it goes on with that. Then wraps all
// keys anew: an institution a transaction, with a row in its audit; the platform's in the last one.
// When it returns, nothing is wrapped by another key. May be killed at any moment and run again.
//
// Throws KeyEncryptionFault, before anything was done, if a key is wrapped by one that the file
// does not hold.
RotationReport rotate_keys(Connection& connection, const std::filesystem::path& file,
                           pki::Time now);

// How many keys each key-encryption key wraps, by its id. Platform session.
[[nodiscard]] std::map<std::string, std::uint64_t> count_wrapped(Session& session);

}  // namespace server
