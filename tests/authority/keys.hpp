// Private keys: derived from a seed (elliptic curves), taken from the fixtures (RSA), read from and
// written to PEM.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string_view>

#include "authority/openssl.hpp"

namespace authority {

enum class Algorithm { rsa2048, p256, p384 };

// The key of `role` ("ca", "responder", "certificate 1000") under `seed`: always the same key for
// the same arguments. Elliptic curves: the private scalar is SHA-512 over (seed, role, curve),
// reduced into 1 .. order-1. RSA: fixture number (seed + rsa_slot) mod 4; `rsa_slot` keeps two
// roles of one seed apart.
[[nodiscard]] KeyPointer make_key(Algorithm algorithm, std::uint64_t seed, std::string_view role,
                                  std::uint64_t rsa_slot = 0);

// The RSA-2048 key of authority number `slot` of `serve`; twelve in all, in an order that depends
// on the seed. Throws Failure if there are no more.
[[nodiscard]] KeyPointer make_authority_rsa_key(std::uint64_t seed, std::size_t slot);

[[nodiscard]] KeyPointer load_key(const std::filesystem::path& path);
void write_key(const std::filesystem::path& path, EVP_PKEY* key);

}  // namespace authority
