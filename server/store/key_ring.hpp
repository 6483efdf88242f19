// key_ring.hpp: which key seals what. Keys lie in the database, each wrapped by a key-encryption
// key that lies in a file: a copy of the database alone opens nothing. key_rotation.hpp changes
// that key.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "libpki/asn1_time.hpp"
#include "libpki/crypto.hpp"
#include "server/store/connection.hpp"
#include "server/store/key_file.hpp"
#include "server/store/sealing.hpp"

namespace server {

// Keys are read once and kept. Any thread.
class KeyRing {
 public:
  // Reads the file of the key-encryption keys. Throws KeyEncryptionFault.
  explicit KeyRing(const std::filesystem::path& file);

  // For `tashika migrate`: makes the file, with a random key, mode 0600, if it is not there and
  // nothing was sealed yet; and the keys of the platform, if there are none. Idempotent.
  static void create_if_missing(const DatabaseConfig& config, pki::Time now);

  // Seals a column's value under the institution's newest data key. `place` is "table.column.row":
  // what is copied to another row, column or institution can't be opened there.
  [[nodiscard]] std::vector<std::uint8_t> seal_for(Session& session,
                                                   const std::string& institution_id,
                                                   std::string_view place, pki::Bytes plain);
  // Throws SealBroken.
  [[nodiscard]] std::vector<std::uint8_t> open_for(Session& session,
                                                   const std::string& institution_id,
                                                   std::string_view place, pki::Bytes sealed);

  // A new data key for an institution: the first, or the next version. Platform session.
  void add_data_key(Session& session, const std::string& institution_id, pki::Time now);

  // HMAC-SHA-256/128 of issuer key hash and serial (DER content octets), under one key for all
  // institutions: what joins registered certificates with the lists.
  [[nodiscard]] std::vector<std::uint8_t> serial_mac(Session& session, pki::Bytes issuer_key_hash,
                                                     pki::Bytes serial);

  // The key behind the cursors of the feed.
  [[nodiscard]] SecretKey cursor_key(Session& session);

  // Keys of tokens, newest first.
  struct TokenKey {
    std::string key_id;
    std::string private_pem;  // wiped with the object
    bool is_retired = false;
    std::chrono::seconds age{};  // by the database's clock
    TokenKey() = default;
    ~TokenKey();
    TokenKey(TokenKey&&) = default;
    TokenKey& operator=(TokenKey&&) = default;
  };
  [[nodiscard]] std::vector<TokenKey> token_keys(Session& session);
  // Platform session. `public_jwk` is what jwks.json shows.
  void add_token_key(Session& session, const std::string& key_id, std::string_view private_pem,
                     std::string_view public_jwk);

 private:
  struct DataKey {
    std::int32_t version = 0;
    SecretKey key;
  };
  [[nodiscard]] SecretKey unwrap(const std::string& kek, const std::string& place,
                                 pki::Bytes wrapped);
  [[nodiscard]] DataKey data_key(Session& session, const std::string& institution_id,
                                 std::optional<std::int32_t> version);
  [[nodiscard]] SecretKey platform_key(Session& session, const std::string& purpose);

  KeyFile file_;
  std::mutex mutex_;
  // Protected by mutex_:
  std::map<std::string, std::map<std::int32_t, SecretKey>> data_keys_;
  std::map<std::string, SecretKey> platform_keys_;
};

// Platform session. No token that it signed is good any more, once servers have read their keys
// again. Throws std::runtime_error, with what to do, if it is unknown or retired, or if there is no
// other one that is as old as `known_after`.
void retire_token_key(Session& session, const std::string& key_id,
                      std::chrono::seconds known_after);

// All by the database's clock.
struct TokenKeyState {
  std::string key_id;
  pki::Time created_at;
  std::optional<pki::Time> retired_at;
  std::chrono::seconds age{};
};
// Newest first. Platform session.
[[nodiscard]] std::vector<TokenKeyState> token_key_states(Session& session);

// What anybody may know of the keys that sign tokens: their JWKs, newest first, without retired
// ones.
[[nodiscard]] std::vector<std::string> public_token_keys(Session& session);

}  // namespace server
