// sealing.hpp: secrets at rest: AES-256-GCM, HMAC-SHA-256, randomness. Knows nothing of the
// database; key_ring.hpp knows which key is for what.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "libpki/bytes.hpp"

namespace server {

// 256 bits that are wiped when they are let go.
class SecretKey {
 public:
  static constexpr std::size_t kOctets = 32;

  SecretKey() = default;
  explicit SecretKey(pki::Bytes octets);  // exactly kOctets; std::invalid_argument otherwise
  ~SecretKey();
  SecretKey(const SecretKey&) = default;
  SecretKey& operator=(const SecretKey&) = default;

  [[nodiscard]] static SecretKey random();
  [[nodiscard]] pki::Bytes bytes() const { return octets_; }

 private:
  std::array<std::uint8_t, kOctets> octets_{};
};

// What was sealed can't be opened: another key, another place, or it was changed.
class SealBroken : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

void fill_random(std::span<std::uint8_t> out);
// Overwrites what is not needed any more; not left out by the compiler.
void wipe(std::span<std::uint8_t> octets);

// nonce (12) || ciphertext || tag (16), under a random nonce. `place` is authenticated, not kept:
// what was sealed for one row can't be opened as another's. At most 2^32 seals a key.
// Cost: 1 us.
[[nodiscard]] std::vector<std::uint8_t> seal(const SecretKey& key, std::string_view place,
                                             pki::Bytes plain);

// The reverse. Throws SealBroken, which names the place.
[[nodiscard]] std::vector<std::uint8_t> open_sealed(const SecretKey& key, std::string_view place,
                                                    pki::Bytes sealed);

// HMAC-SHA-256 (RFC 2104), cut to `octets`. Cost: 1 us.
[[nodiscard]] std::vector<std::uint8_t> mac(const SecretKey& key, pki::Bytes data,
                                            std::size_t octets = 32);

// Do two byte strings of public length say the same? In a time that does not tell where they
// differ.
[[nodiscard]] bool equal_in_constant_time(pki::Bytes a, pki::Bytes b);

}  // namespace server
