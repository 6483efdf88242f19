// key_places.hpp: where keys lie, for those who wrap them: the `place` of seal(), and who may add
// to them when. For key_ring.cpp and key_rotation.cpp only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "server/store/connection.hpp"

namespace server {

[[nodiscard]] std::string data_key_place(const std::string& institution_id, std::int32_t version);
[[nodiscard]] std::string platform_key_place(std::string_view purpose, std::string_view key_id);

// Held until the transaction ends. Who adds a key shares it, and reads the file of key-encryption
// keys after taking it; who makes keys that there is one of, or another key-encryption key, is
// alone.
enum class KeyLock : std::uint8_t { shared, alone };
void lock_keys(Session& session, KeyLock lock);

}  // namespace server
