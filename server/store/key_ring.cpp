#include "server/store/key_ring.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "server/store/key_places.hpp"
#include "server/store/sql.hpp"

namespace server {
namespace {

constexpr Statement kNewestDataKey{
    "newest_data_key",
    "SELECT key_version, kek, wrapped FROM data_key WHERE institution_id = $1 "
    "ORDER BY key_version DESC LIMIT 1"};
constexpr Statement kDataKey{"data_key",
                             "SELECT key_version, kek, wrapped FROM data_key WHERE institution_id "
                             "= $1 AND key_version = $2"};
constexpr Statement kAddDataKey{"add_data_key",
                                "INSERT INTO data_key (institution_id, key_version, kek, wrapped, "
                                "created_at) VALUES ($1, $2, $3, $4, $5)"};
constexpr Statement kPlatformKey{
    "platform_key",
    "SELECT key_id, kek, wrapped FROM platform_key WHERE purpose = $1 ORDER BY created_at DESC, "
    "key_id DESC LIMIT 1"};
constexpr Statement kTokenKeys{"token_keys",
                               "SELECT key_id, kek, wrapped, retired_at IS NOT NULL, extract(epoch "
                               "FROM now() - created_at)::bigint FROM platform_key WHERE purpose = "
                               "'token-signing' ORDER BY created_at "
                               "DESC, key_id DESC"};
constexpr Statement kPublicTokenKeys{
    "public_token_keys",
    "SELECT public_jwk FROM platform_key WHERE purpose = 'token-signing' AND retired_at IS NULL "
    "AND public_jwk IS NOT NULL ORDER BY created_at DESC, key_id DESC"};
constexpr Statement kTokenKeyStates{
    "token_key_states",
    "SELECT key_id, extract(epoch FROM created_at)::bigint, extract(epoch FROM "
    "retired_at)::bigint, "
    "extract(epoch FROM now() - created_at)::bigint FROM platform_key WHERE purpose = "
    "'token-signing' ORDER BY created_at DESC, key_id DESC"};
constexpr Statement kRetireTokenKey{
    "token_key_retire",
    "UPDATE platform_key SET retired_at = now() WHERE purpose = 'token-signing' AND key_id = $1"};
constexpr Statement kAddPlatformKey{
    "add_platform_key",
    "INSERT INTO platform_key (purpose, key_id, kek, wrapped, public_jwk, created_at) "
    "VALUES ($1, $2, $3, $4, $5, $6)"};
// By the database's clock, which all servers share: the age of a key says who knows it.
constexpr Statement kAddTokenKey{
    "token_key_add",
    "INSERT INTO platform_key (purpose, key_id, kek, wrapped, public_jwk, created_at) VALUES "
    "('token-signing', $1, $2, $3, $4, now())"};
constexpr Statement kLockAlone{"keys_lock_alone", "SELECT pg_advisory_xact_lock(7413)"};
constexpr Statement kLockShared{"keys_lock_shared", "SELECT pg_advisory_xact_lock_shared(7413)"};
constexpr Statement kAnySealed{
    "any_sealed", "SELECT EXISTS (SELECT FROM platform_key) OR EXISTS (SELECT FROM data_key)"};

constexpr std::size_t kVersionOctets = 4;  // in front of what a data key sealed

std::string column_place(const std::string& institution_id, std::string_view place,
                         std::int32_t version) {
  return fmt::format("{}.{}.{}", institution_id, place, version);
}

}  // namespace

std::string data_key_place(const std::string& institution_id, std::int32_t version) {
  return fmt::format("data_key.{}.{}", institution_id, version);
}

std::string platform_key_place(std::string_view purpose, std::string_view key_id) {
  return fmt::format("platform_key.{}.{}", purpose, key_id);
}

void lock_keys(Session& session, KeyLock lock) {
  sql::exec(session, lock == KeyLock::alone ? kLockAlone : kLockShared);
}

KeyRing::TokenKey::~TokenKey() {
  // Through a volatile pointer, so that it is not left out as useless.
  volatile char* at = private_pem.data();
  for (std::size_t i = 0; i < private_pem.size(); ++i) at[i] = 0;
}

KeyRing::KeyRing(const std::filesystem::path& file) : file_(file) {}

void KeyRing::create_if_missing(const DatabaseConfig& config, pki::Time now) {
  Connection connection(config);
  Session session(connection);
  lock_keys(session, KeyLock::alone);  // two migrations at once take turns here, too
  const bool sealed = sql::exec(session, kAnySealed)[0][0].as<bool>();
  if (!sealed && !std::filesystem::exists(config.key_encryption_key)) {
    KeyFile::create(config.key_encryption_key);
  }
  const KeyEncryptionKey kek = KeyFile(config.key_encryption_key).newest();
  for (const char* purpose : {"serial-mac", "cursor-mac"}) {
    if (!sql::exec(session, kPlatformKey, purpose).empty()) continue;
    const std::string key_id = "1";
    const auto wrapped =
        seal(kek.key, platform_key_place(purpose, key_id), SecretKey::random().bytes());
    sql::exec(session, kAddPlatformKey, purpose, key_id, kek.id, sql::bytea(wrapped),
              std::optional<std::string>(), sql::timestamp(now));
  }
  session.commit();
}

SecretKey KeyRing::unwrap(const std::string& kek, const std::string& place, pki::Bytes wrapped) {
  return SecretKey(open_sealed(file_.find(kek, place), place, wrapped));
}

KeyRing::DataKey KeyRing::data_key(Session& session, const std::string& institution_id,
                                   std::optional<std::int32_t> version) {
  if (version) {
    const std::lock_guard lock(mutex_);
    const auto& known = data_keys_[institution_id];
    if (const auto found = known.find(*version); found != known.end()) {
      return {found->first, found->second};
    }
  }
  const auto rows = version ? sql::exec(session, kDataKey, institution_id, *version)
                            : sql::exec(session, kNewestDataKey, institution_id);
  if (rows.empty()) throw SealBroken(fmt::format("{} has no such data key", institution_id));
  const auto number = rows[0][0].as<std::int32_t>();
  const SecretKey key = unwrap(rows[0][1].as<std::string>(), data_key_place(institution_id, number),
                               sql::bytes(rows[0][2]));
  const std::lock_guard lock(mutex_);
  data_keys_[institution_id].insert_or_assign(number, key);
  return {number, key};
}

std::vector<std::uint8_t> KeyRing::seal_for(Session& session, const std::string& institution_id,
                                            std::string_view place, pki::Bytes plain) {
  std::optional<std::int32_t> newest;
  {
    const std::lock_guard lock(mutex_);
    const auto& known = data_keys_[institution_id];
    if (!known.empty()) newest = known.rbegin()->first;
  }
  const DataKey key = data_key(session, institution_id, newest);
  const auto body = seal(key.key, column_place(institution_id, place, key.version), plain);
  std::vector<std::uint8_t> out(kVersionOctets + body.size());
  for (std::size_t i = 0; i < kVersionOctets; ++i) {
    out[i] = static_cast<std::uint8_t>(static_cast<std::uint32_t>(key.version) >> (24 - 8 * i));
  }
  std::copy(body.begin(), body.end(), out.begin() + kVersionOctets);
  return out;
}

std::vector<std::uint8_t> KeyRing::open_for(Session& session, const std::string& institution_id,
                                            std::string_view place, pki::Bytes sealed) {
  if (sealed.size() < kVersionOctets) {
    throw SealBroken(fmt::format("{}: too short to have been sealed", place));
  }
  std::uint32_t version = 0;
  for (std::size_t i = 0; i < kVersionOctets; ++i) version = version << 8 | sealed[i];
  const DataKey key = data_key(session, institution_id, static_cast<std::int32_t>(version));
  return open_sealed(key.key, column_place(institution_id, place, key.version),
                     sealed.subspan(kVersionOctets));
}

void KeyRing::add_data_key(Session& session, const std::string& institution_id, pki::Time now) {
  lock_keys(session, KeyLock::shared);
  const KeyEncryptionKey kek = file_.newest();
  const auto newest = sql::exec(session, kNewestDataKey, institution_id);
  const std::int32_t version = newest.empty() ? 1 : newest[0][0].as<std::int32_t>() + 1;
  const auto wrapped =
      seal(kek.key, data_key_place(institution_id, version), SecretKey::random().bytes());
  sql::exec(session, kAddDataKey, institution_id, version, kek.id, sql::bytea(wrapped),
            sql::timestamp(now));
}

SecretKey KeyRing::platform_key(Session& session, const std::string& purpose) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = platform_keys_.find(purpose);
    if (found != platform_keys_.end()) return found->second;
  }
  const auto rows = sql::exec(session, kPlatformKey, purpose);
  if (rows.empty()) {
    throw KeyEncryptionFault(
        fmt::format("the database has no {} key: run `tashika migrate`", purpose));
  }
  const SecretKey key =
      unwrap(rows[0][1].as<std::string>(),
             platform_key_place(purpose, rows[0][0].as<std::string>()), sql::bytes(rows[0][2]));
  const std::lock_guard lock(mutex_);
  platform_keys_.insert_or_assign(purpose, key);
  return key;
}

std::vector<std::uint8_t> KeyRing::serial_mac(Session& session, pki::Bytes issuer_key_hash,
                                              pki::Bytes serial) {
  std::vector<std::uint8_t> named(issuer_key_hash.begin(), issuer_key_hash.end());
  named.insert(named.end(), serial.begin(), serial.end());
  return mac(platform_key(session, "serial-mac"), named, 16);
}

SecretKey KeyRing::cursor_key(Session& session) {
  return platform_key(session, "cursor-mac");
}

std::vector<KeyRing::TokenKey> KeyRing::token_keys(Session& session) {
  std::vector<TokenKey> out;
  for (const pqxx::row& row : sql::exec(session, kTokenKeys)) {
    TokenKey key;
    key.key_id = row[0].as<std::string>();
    const std::string place = platform_key_place("token-signing", key.key_id);
    auto pem = open_sealed(file_.find(row[1].as<std::string>(), place), place, sql::bytes(row[2]));
    key.private_pem.assign(pem.begin(), pem.end());
    wipe(pem);
    key.is_retired = row[3].as<bool>();
    key.age = std::chrono::seconds{row[4].as<std::int64_t>()};
    out.push_back(std::move(key));
  }
  return out;
}

void KeyRing::add_token_key(Session& session, const std::string& key_id,
                            std::string_view private_pem, std::string_view public_jwk) {
  lock_keys(session, KeyLock::shared);
  const KeyEncryptionKey kek = file_.newest();
  const auto wrapped =
      seal(kek.key, platform_key_place("token-signing", key_id), pki::as_bytes(private_pem));
  sql::exec(session, kAddTokenKey, key_id, kek.id, sql::bytea(wrapped), std::string(public_jwk));
}

void retire_token_key(Session& session, const std::string& key_id,
                      std::chrono::seconds known_after) {
  lock_keys(session, KeyLock::alone);
  const auto rows = sql::exec(session, kTokenKeyStates);
  const auto is_named = [&](const pqxx::row& row) { return row[0].as<std::string>() == key_id; };
  const auto found = std::ranges::find_if(rows, is_named);
  if (found == rows.end()) {
    throw std::runtime_error(
        fmt::format("there is no token key {}; `tashika keys tokens`", key_id));
  }
  if (!(*found)[2].is_null()) {
    throw std::runtime_error(fmt::format("token key {} was retired before", key_id));
  }
  const bool has_successor = std::ranges::any_of(rows, [&](const pqxx::row& row) {
    return !is_named(row) && row[2].is_null() && row[3].as<std::int64_t>() >= known_after.count();
  });
  if (!has_successor) {
    throw std::runtime_error(
        fmt::format("token key {} is the last one that all servers know: `tashika keys "
                    "add-token-key`, and {} s "
                    "later again",
                    key_id, known_after.count()));
  }
  sql::exec(session, kRetireTokenKey, key_id);
}

std::vector<TokenKeyState> token_key_states(Session& session) {
  std::vector<TokenKeyState> out;
  for (const pqxx::row& row : sql::exec(session, kTokenKeyStates)) {
    out.push_back({row[0].as<std::string>(), sql::time(row[1]), sql::optional_time(row[2]),
                   std::chrono::seconds{row[3].as<std::int64_t>()}});
  }
  return out;
}

std::vector<std::string> public_token_keys(Session& session) {
  std::vector<std::string> out;
  for (const pqxx::row& row : sql::exec(session, kPublicTokenKeys)) {
    out.push_back(row[0].as<std::string>());
  }
  return out;
}

}  // namespace server
