// lookup_keys.hpp: sets of serial numbers to look up, repeatable by seed, and questions about them.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <vector>

#include "libpki/bytes.hpp"

namespace bench {

// SplitMix64: number i of sequence `seed`; never the same number twice within a sequence.
inline std::uint64_t random_at(std::uint64_t seed, std::uint64_t i) {
  std::uint64_t x = seed * 0xD1342543DE82EF95 + i * 0x9E3779B97F4A7C15;
  x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9;
  x = (x ^ x >> 27) * 0x94D049BB133111EB;
  return x ^ x >> 31;
}

using NarrowKey = std::uint64_t;               // a serial of up to 8 octets
using WideKey = std::array<std::uint8_t, 20>;  // one of 20 octets, big-endian

// A serial as DER content octets.
struct DerSerial {
  std::array<std::uint8_t, 21> octets{};
  std::uint8_t size = 0;
  [[nodiscard]] pki::Bytes bytes() const { return pki::Bytes(octets).first(size); }
};

inline DerSerial to_der(NarrowKey key) {
  std::array<std::uint8_t, 9> all{};  // a zero keeps the number positive
  for (std::size_t i = 0; i < 8; ++i) all[8 - i] = static_cast<std::uint8_t>(key >> (8 * i));
  std::size_t start = 0;
  while (start < 8 && all[start] == 0 && all[start + 1] < 0x80) ++start;
  DerSerial out;
  out.size = static_cast<std::uint8_t>(9 - start);
  std::memcpy(out.octets.data(), all.data() + start, out.size);
  return out;
}

inline DerSerial to_der(const WideKey& key) {
  DerSerial out;
  out.size = static_cast<std::uint8_t>(key.size());
  std::memcpy(out.octets.data(), key.data(), key.size());
  return out;
}

// Eight octets, any of them.
struct Uniform {
  using Key = NarrowKey;
  static constexpr const char* kName = "uniform";

  static std::vector<Key> keys(std::uint64_t count, std::uint64_t seed) {
    std::vector<Key> out(count);
    for (std::uint64_t i = 0; i < count; ++i) out[i] = random_at(seed, i);
    std::ranges::sort(out);
    return out;
  }
  static Key other(const std::vector<Key>&, std::uint64_t random) { return random; }
};

// 64 running counters, each with gaps of up to three numbers, as where an authority numbers what
// it issues and some of it is revoked.
struct Counters {
  using Key = NarrowKey;
  static constexpr const char* kName = "counters";
  static constexpr std::uint64_t kCounters = 64;

  static std::vector<Key> keys(std::uint64_t count, std::uint64_t seed) {
    std::vector<Key> out;
    out.reserve(count);
    std::uint64_t key = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint64_t counter = i * kCounters / count;
      if (i == 0 || counter != (i - 1) * kCounters / count) {
        key = (counter << 48) + (random_at(seed + 1, counter) >> 20);
      }
      out.push_back(key);
      key += 1 + random_at(seed, i) % 4;
    }
    return out;  // in order already
  }
  // A number of the same counters: next to one that is there.
  static Key other(const std::vector<Key>& keys, std::uint64_t random) {
    return keys[random % keys.size()] + 1 + (random >> 62);
  }
};

// Twenty octets, drawn at random, as the CA/Browser Forum asks for.
struct Random20 {
  using Key = WideKey;
  static constexpr const char* kName = "random20";

  static Key at(std::uint64_t seed, std::uint64_t i) {
    Key key{};
    const std::uint64_t parts[3] = {random_at(seed, i), random_at(seed + 1, i),
                                    random_at(seed + 2, i)};
    std::memcpy(key.data(), parts, key.size());
    key[0] = static_cast<std::uint8_t>((key[0] & 0x7F) | 0x40);  // positive, and of full width
    return key;
  }
  static std::vector<Key> keys(std::uint64_t count, std::uint64_t seed) {
    std::vector<Key> out(count);
    for (std::uint64_t i = 0; i < count; ++i) out[i] = at(seed, i);
    std::ranges::sort(out);
    return out;
  }
  static Key other(const std::vector<Key>&, std::uint64_t random) { return at(random, 0); }
};

}  // namespace bench
